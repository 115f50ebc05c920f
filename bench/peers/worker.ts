import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Meter, quantile } from "../engine/meter.ts";
import type { OpenSide } from "./side.ts";

// One engine in this process: `--side dbos`. Says "first" and how long a server took to start when the first run of one step has ended, and at the end what it measured, as JSON.
const { values } = parseArgs({ options: { side: { type: "string", default: "" }, ms: { type: "string", default: "2500" }, waiting: { type: "string", default: "5000" } } });
const ms = Number(values.ms);
const concurrency = 200;
const storedMsMax = 120_000;
const sides: Readonly<Record<string, () => Promise<OpenSide>>> = {
  "Longhaul": async () => (await import("./longhaul.ts")).open,
  "Longhaul with records": async () => (await import("./longhaul.ts")).openWithRecords,
  "Longhaul, a team": async () => (await import("./longhaul-team.ts")).open,
  "Longhaul, a team's tools": async () => (await import("./longhaul-team.ts")).openWithTools,
  "openworkflow": async () => (await import("./openworkflow.ts")).open,
  "DBOS": async () => (await import("./dbos.ts")).open,
  "Restate": async () => (await import("./restate.ts")).open,
  "LangGraph": async () => (await import("./langgraph.ts")).open,
  "Mastra": async () => (await import("./mastra.ts")).open,
};
const folder = mkdtempSync(join(tmpdir(), "longhaul-bench-"));
const open = await sides[values.side]?.();
if (open === undefined) throw new Error(`There is no side ${JSON.stringify(values.side)}. There are: ${Object.keys(sides).join(", ")}.`);
let executed = 0;
let asked = 0;
let runs = 0;
const ends = new Map<number, () => void>();
const side = await open(folder, { step: () => void executed++, end: (run) => ends.get(run)?.() }, concurrency);

/** Starts one run of so many steps, or one that waits; resolves when it was taken on and the last line of its code was executed. No side is waited for to store and tell the end: see `until`. */
async function runOne(steps: number | "waiting"): Promise<void> {
  const run = ++runs;
  asked += steps === "waiting" ? 0 : steps;
  const ended = new Promise<void>((resolve) => ends.set(run, resolve));
  await Promise.all([ended, steps === "waiting" ? side.startWaiting(run) : side.start(run, steps)]);
  ends.delete(run);
}

/** Not until each run is stored as what it should be. */
async function until(look: () => Promise<number>, expected: number): Promise<void> {
  const meter = new Meter();
  for (let seen = await look(); seen !== expected; seen = await look()) {
    if (seen > expected || meter.elapsedMs() > storedMsMax) throw new Error(`${seen} runs are stored in place of ${expected}.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

await runOne(1);
console.log(`first ${side.serverMs}`);
const rssIdleMb = process.memoryUsage().rss / 1e6;
await runOne(200);
let sequentialSteps = 0;
const sequential = new Meter();
while (sequential.elapsedMs() < ms) {
  await runOne(200);
  sequentialSteps += 200;
}
const msPerStep = sequential.used().ms / sequentialSteps;

await Promise.all(Array.from({ length: concurrency }, () => runOne(10)));
const latencies: number[] = [];
const before = executed;
const parallel = new Meter();
await Promise.all(Array.from({ length: concurrency }, async () => {
  while (parallel.elapsedMs() < ms) {
    const one = new Meter();
    await runOne(10);
    latencies.push(one.elapsedMs());
  }
}));
const stepsPerSecond = ((executed - before) / parallel.used().ms) * 1_000;
if (executed !== asked) throw new Error(`${executed} steps were executed in place of ${asked}.`);
await until(() => side.ended(), runs);
const waitingRuns = Number(values.waiting);
const waiting = new Meter();
let begun = 0;
await Promise.all(Array.from({ length: concurrency }, async () => {
  while (begun++ < waitingRuns) await runOne("waiting");
}));
await until(() => side.waiting(), waitingRuns);
const waitingPerSecond = (waitingRuns / waiting.used().ms) * 1_000;
await new Promise((resolve) => setTimeout(resolve, 500));
const still = await side.waiting();
if (still !== waitingRuns) throw new Error(`${still} runs wait still, of ${waitingRuns}.`);
console.log(JSON.stringify({ durability: side.durability, msPerStep, stepsPerSecond, runP50Ms: quantile(latencies, 0.5), runP99Ms: quantile(latencies, 0.99), waitingPerSecond, rssIdleMb, rssMb: process.memoryUsage().rss / 1e6 }));
await Promise.race([side.close(), new Promise((resolve) => setTimeout(resolve, 5_000))]);
rmSync(folder, { recursive: true, force: true });
process.exit();
