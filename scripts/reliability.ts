import { parseArgs } from "node:util";
import { planOf, reducePlan } from "../test/reliability/fault-plan.ts";
import { killEverywhere } from "../test/reliability/kill-points.ts";
import { cutPowerEverywhere } from "../test/reliability/power-points.ts";
import { type SeedReport, tellAndReport, tellSeed } from "../test/reliability/seeds.ts";
import { commandFor } from "../test/reliability/shrink.ts";
import { storyFolder } from "../test/reliability/story-folder.ts";
import { teams } from "../test/reliability/teams/all.ts";
import { refuseUsage } from "./refuse-usage.ts";

/**
 * Tells stories of teams whose process dies, whose power is cut, whose disk is full, and judges what they keep.
 *
 *   npm run reliability                                    everything: kill points, power cuts, 1,000 seeds
 *   npm run reliability -- --kill-points --team shop       one kind of story, of one team
 *   npm run reliability -- --seeds 200                     so many seeds, from 1 on, or from --from
 *   npm run reliability -- --seed 17 --faults 2,5          one seed, here with two of its faults only, as a failure prints it
 *
 * Exits with 1 when a promise is broken.
 */
const { values } = parseArgs({
  options: {
    "kill-points": { type: "boolean", default: false },
    power: { type: "boolean", default: false },
    seeds: { type: "string" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    faults: { type: "string" },
    horizon: { type: "string" },
    team: { type: "string" },
    stride: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});

/** One line of the table of counts. */
interface Row {
  readonly stories: string;
  readonly team: string;
  readonly commits: number;
  readonly points: number;
  /** Null for seeds. */
  readonly disks: number | null;
  readonly branches: number;
  readonly violations: readonly string[];
  /** Seeds only. */
  readonly failures?: readonly SeedReport[];
}

const seedsDefault = 1_000;
const barWidth = 30;
const isTerminal = process.stderr.isTTY && !values.json;
const numbers = {
  stride: wholeNumber("stride", values.stride),
  from: wholeNumber("from", values.from),
  seed: values.seed === undefined ? null : wholeNumber("seed", values.seed),
  seeds: values.seeds === undefined ? null : wholeNumber("seeds", values.seeds),
  horizonMs: values.horizon === undefined ? null : wholeNumber("horizon", values.horizon),
  faults: values.faults === undefined ? null : values.faults === "none" ? [] : values.faults.split(",").map((place) => wholeNumber("faults", place)),
};
const { stride } = numbers;
const chosen = teams.filter(({ name }) => values.team === undefined || name === values.team);
if (chosen.length === 0) refuseUsage(`There is no team "${String(values.team)}". There are: ${teams.map(({ name }) => name).join(", ")}.`);

/** What the process was at when it ended before its time. */
let current = "nothing yet";
process.on("uncaughtExceptionMonitor", () => console.error(`\nThe team itself ended the process, at: ${current}`));
process.on("exit", (code) => {
  if (code === 13) console.error(`\nThe story never goes on, at: ${current}`);
});

function showProgress(what: string, done: number, total: number): void {
  current = `${what} ${done}/${total}`;
  if (!isTerminal) return;
  const filled = Math.round((barWidth * done) / Math.max(1, total));
  process.stderr.write(`\r\u001B[2K${what.padEnd(24)} ${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ${done}/${total}`);
}

async function killPoints(folder: string): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const scenario of chosen) {
    const { team, commits, points, disks, branches, violations } = await killEverywhere({ scenario, folder, stride, onProgress: (done, total) => showProgress(`kill points ${scenario.name}`, done, total) });
    rows.push({ stories: "kill points", team, commits, points, disks, branches, violations });
  }
  return rows;
}

async function powerCuts(folder: string): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const scenario of chosen) {
    const { team, commits, cuts, disks, branches, violations } = await cutPowerEverywhere({ scenario, folder, stride, onProgress: (done, total) => showProgress(`power cuts ${scenario.name}`, done, total) });
    rows.push({ stories: "power cuts", team, commits, points: cuts, disks, branches, violations });
  }
  return rows;
}

async function manySeeds(folder: string, from: number, count: number): Promise<readonly Row[]> {
  const reports: SeedReport[] = [];
  for (let seed = from; seed < from + count; seed++) {
    showProgress("seeds", seed - from, count);
    current = commandFor(seed);
    reports.push(await tellSeed(seed, folder));
  }
  return [...Map.groupBy(reports, ({ team }) => team)].map(([team, group]) => toRow("seeds", team, group));
}

async function oneSeed(folder: string, seed: number): Promise<readonly Row[]> {
  const plan = planOf(seed);
  const horizonMs = numbers.horizonMs ?? plan.horizonMs;
  const list = numbers.faults ?? [...plan.faults.keys()];
  const report = await tellAndReport(reducePlan(plan, list, horizonMs), folder, commandFor(seed, values.faults === undefined ? undefined : list, values.horizon === undefined ? undefined : horizonMs));
  if (!values.json) console.log([`seed ${seed}: team ${report.team}`, ...report.faults.map((fault) => `  ${fault}`)].join("\n"));
  return [toRow("seed", report.team, [report])];
}

function toRow(stories: string, team: string, reports: readonly SeedReport[]): Row {
  const failures = reports.filter(({ violations }) => violations.length > 0);
  return {
    stories, team, failures,
    commits: reports.reduce((sum, { commits }) => sum + commits, 0),
    points: reports.reduce((sum, { occurred }) => sum + occurred, 0),
    disks: null,
    branches: reports.reduce((sum, { sessions }) => sum + sessions, 0),
    violations: failures.flatMap(({ violations, command }) => violations.map((violation) => `${command}: ${violation}`)),
  };
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isInteger(number) || number < 0) refuseUsage(`--${option} is ${text}. Use a whole number, 0 or more.`);
  return number;
}

function printTable(rows: readonly Row[]): void {
  const head = ["stories", "team", "commits", "points", "disks", "branches", "violations"];
  const total = ["", `${new Set(rows.map(({ team }) => team)).size} teams`, sum(rows.map(({ commits }) => commits)), sum(rows.map(({ points }) => points)), sum(rows.map(({ disks }) => disks ?? 0)), sum(rows.map(({ branches }) => branches)), sum(rows.map(({ violations }) => violations.length))].map(String);
  const lines = [head, ...rows.map((row) => [row.stories, row.team, String(row.commits), String(row.points), String(row.disks ?? ""), String(row.branches), String(row.violations.length)]), total];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  for (const line of lines) console.log(line.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  "));
  console.log("\npoints: instants at which the process dies, ways in which the power is cut, faults of seeds that came to pass. disks: their different contents. branches: stories that were told to their end, or lives of the process in seeds.");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function main(): Promise<void> {
  const folder = storyFolder();
  try {
    const isAll = !values["kill-points"] && !values.power && values.seeds === undefined;
    const seeds = numbers.seeds ?? (isAll ? seedsDefault : 0);
    const rows =
      numbers.seed === null
        ? [
            ...(isAll || values["kill-points"] ? await killPoints(folder.path) : []),
            ...(isAll || values.power ? await powerCuts(folder.path) : []),
            ...(seeds > 0 ? await manySeeds(folder.path, numbers.from, seeds) : []),
          ]
        : await oneSeed(folder.path, numbers.seed);
    if (isTerminal) process.stderr.write("\r\u001B[2K");
    if (values.json) console.log(JSON.stringify(rows, null, 2));
    else {
      for (const { violations, failures = [] } of rows) {
        for (const violation of violations.slice(0, 20)) console.log(`✗ ${violation}`);
        for (const { command, faults } of failures) console.log(`again: ${command}\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
      }
      printTable(rows);
    }
    process.exitCode = rows.some(({ violations }) => violations.length > 0) ? 1 : 0;
  } finally {
    folder.remove();
  }
}

await main();
