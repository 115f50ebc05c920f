import { readRows, writeBare } from "./bare-loop.ts";
import { median, quantile } from "./meter.ts";
import { openFile, runOnEngine, type Workload } from "./steps-workload.ts";

/** The engine beside a bare loop, in one run and in turns; medians of all rounds. Steps per second, and milliseconds. */
export interface Comparison {
  readonly stepsPerSecond: number;
  readonly barePerSecond: number;
  /** The engine's steps per second to those of the bare loop. */
  readonly ratio: number;
  /** The same of the time of the processor alone, which others on the machine and the disk make less of a difference to. */
  readonly cpuRatio: number;
  readonly cpuMicrosPerStep: number;
  readonly msPerStep: number;
  readonly runP50Ms: number;
  readonly runP99Ms: number;
  readonly stepsPerCommit: number;
}

/** `ms` is how long the engine works in each round; one round before them is not counted. */
export async function compareWithBare(workload: Workload, { rounds, ms }: { readonly rounds: number; readonly ms: number }): Promise<Comparison> {
  await compareOnce(workload, ms / 2);
  const found: Comparison[] = [];
  for (let round = 0; round < rounds; round++) found.push(await compareOnce(workload, ms));
  const names = Object.keys(found[0] ?? {}) as (keyof Comparison)[];
  return Object.fromEntries(names.map((name) => [name, median(found.map((one) => one[name]))])) as unknown as Comparison;
}

async function compareOnce(workload: Workload, ms: number): Promise<Comparison> {
  const ours = openFile();
  const engine = await runOnEngine(ours.db, workload, ms);
  const rows = readRows(ours.db);
  ours.remove();
  assertDone(workload, engine.steps, engine.runsMs.length, rows.map((table) => table.rows.length));
  const theirs = openFile();
  const bare = await writeBare(theirs.db, rows, engine.commits);
  theirs.remove();
  return {
    stepsPerSecond: (engine.steps / engine.ms) * 1_000,
    barePerSecond: (engine.steps / bare.ms) * 1_000,
    ratio: bare.ms / engine.ms,
    cpuRatio: bare.cpuMs / engine.cpuMs,
    cpuMicrosPerStep: (engine.cpuMs / engine.steps) * 1_000,
    msPerStep: engine.ms / engine.steps,
    runP50Ms: median(engine.runsMs),
    runP99Ms: quantile(engine.runsMs, 0.99),
    stepsPerCommit: engine.steps / engine.commits,
  };
}

/** Each run did each of its steps once, and all of it is in the file. */
function assertDone({ stepsPerRun, records }: Workload, steps: number, runs: number, counts: readonly number[]): void {
  const expected = [runs, runs, runs * stepsPerRun, records ? runs * (stepsPerRun + 3) : 0];
  if (steps !== runs * stepsPerRun || expected.some((count, index) => count !== counts[index])) {
    throw new Error(`${runs} runs of ${stepsPerRun} steps executed ${steps} steps and left ${counts.join(", ")} tasks, runs, steps and records in the file; ${expected.join(", ")} are right.`);
  }
}
