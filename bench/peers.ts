import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { median } from "./engine/meter.ts";

// The embedded engine, and teams on it, beside others that do the same work, each in a process of its own, in turns on the same disk: `npm run bench:peers`, which installs them into
// bench/node_modules first. `--write` puts the table into docs/measurements/performance.md; `--only DBOS` measures one.
const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" }, ms: { type: "string", default: "2500" }, waiting: { type: "string", default: "5000" }, only: { type: "string", default: "" }, write: { type: "boolean", default: false } } });

const packages: Readonly<Record<string, string>> = {
  "Longhaul": "longhaul", "Longhaul with records": "longhaul", "Longhaul, a team": "longhaul", "Longhaul, a team's tools": "longhaul", "Restate": "@restatedev/restate-sdk", "openworkflow": "openworkflow", "DBOS": "@dbos-inc/dbos-sdk", "LangGraph": "@langchain/langgraph", "Mastra": "@mastra/core",
};

interface Figures {
  readonly firstRunMs: number;
  readonly msPerStep: number;
  readonly stepsPerSecond: number;
  readonly runP50Ms: number;
  readonly runP99Ms: number;
  readonly waitingPerSecond: number;
  readonly rssIdleMb: number;
  readonly rssMb: number;
}

async function measure(side: string): Promise<Figures & { readonly durability: string }> {
  const beganAt = performance.now();
  const child = spawn(process.execPath, ["--conditions=longhaul-source", join(import.meta.dirname, "peers/worker.ts"), "--side", side, "--ms", values.ms, "--waiting", values.waiting], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  let firstRunMs = Number.NaN;
  let last = "";
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("first ")) firstRunMs = performance.now() - beganAt - Number(line.slice("first ".length));
    last = line;
  }
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`${side} ended with ${String(code)}.`);
  return { firstRunMs, ...(JSON.parse(last) as Omit<Figures, "firstRunMs"> & { readonly durability: string }) };
}

const sides = Object.keys(packages).filter((side) => side.includes(values.only));
const found = new Map<string, (Figures & { readonly durability: string })[]>(sides.map((side) => [side, []]));
for (let round = 0; round < Number(values.rounds); round++) for (const side of sides) found.get(side)?.push(await measure(side));

const rows = sides.map((side) => {
  const rounds = found.get(side) ?? [];
  const of = (name: keyof Figures): number => median(rounds.map((figures) => figures[name]));
  const shown = {
    side: `${side} ${versionOf(side)}`, "durable by": rounds[0]?.durability ?? "", "ms a step, one run": of("msPerStep").toFixed(2), "steps/s, 200 runs at once": Math.round(of("stepsPerSecond")).toLocaleString("en"),
    "p50 / p99 ms a run": `${Math.round(of("runP50Ms"))} / ${Math.round(of("runP99Ms"))}`, "first run without a server's start, s": (of("firstRunMs") / 1_000).toFixed(2),
    "waiting runs made a second": Math.round(of("waitingPerSecond")).toLocaleString("en"), "MB idle / after": `${Math.round(of("rssIdleMb"))} / ${Math.round(of("rssMb"))}`,
  };
  return { shown, stepsPerSecond: of("stepsPerSecond"), msPerStep: of("msPerStep") };
});
const shown = rows.map((row) => row.shown);
console.table(shown);
const best = rows.filter(({ shown: { side, "durable by": by } }) => !side.startsWith("Longhaul") && by.startsWith("fsync"));
const ratios = best.length === 0 ? [] : rows.filter((row) => row.shown.side.startsWith("Longhaul")).map(({ shown: { side }, stepsPerSecond, msPerStep }) =>
  `${side}: ${(stepsPerSecond / Math.max(...best.map((peer) => peer.stepsPerSecond))).toFixed(1)} times the steps per second of the best durable one; a step of a single run takes ${(msPerStep / Math.min(...best.map((peer) => peer.msPerStep))).toFixed(2)} of its time.`);
for (const ratio of ratios) console.log(ratio);
if (values.write) writeTable();

function versionOf(side: string): string {
  const name = packages[side] ?? "";
  const root = join(import.meta.dirname, "..");
  const path = [join(root, "package.json"), join(import.meta.dirname, "node_modules", name, "package.json"), join(root, "node_modules", name, "package.json")].slice(name === "longhaul" ? 0 : 1).find((candidate) => existsSync(candidate));
  return path === undefined ? "" : (JSON.parse(readFileSync(path, "utf8")) as { readonly version: string }).version;
}

/** Between the two marks of the page. */
function writeTable(): void {
  const page = join(import.meta.dirname, "..", "docs/measurements/performance.md");
  const names = Object.keys(shown[0] ?? {});
  const line = (cells: readonly unknown[]): string => `| ${cells.join(" | ")} |`;
  const machine = `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), Node ${process.versions.node}, medians of ${values.rounds} rounds of ${values.ms} ms each.`;
  const table = [machine, "", line(names), line(names.map(() => "---")), ...shown.map((row) => line(Object.values(row))), "", ...ratios.map((ratio) => `- ${ratio}`)].join("\n");
  const text = readFileSync(page, "utf8").replace(/(<!-- peers -->\n)[^]*(\n<!-- end of peers -->)/, (_, before: string, after: string) => `${before}${table}${after}`);
  writeFileSync(page, text);
}
