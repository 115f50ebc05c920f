import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sleep, systemClock as clock } from "../src/base/clock.ts";
import { median } from "./engine/meter.ts";
import { type Figure, tellFigures } from "./targets.ts";

// `kill -9` in the midst of 500 runs that execute, and a second process that goes on, with no other call: `npm run bench:kill`. What steps did outside is in a file.
// `--strict` ends with 1 when a target is missed.
const { values } = parseArgs({
  options: { runs: { type: "string", default: "500" }, steps: { type: "string", default: "20" }, "step-ms": { type: "string", default: "100" }, rounds: { type: "string", default: "3" }, strict: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
});
const runs = Number(values.runs);
const steps = runs * Number(values.steps);

interface Recovery {
  /** From the kill until every task has ended and the second process is gone, without the time that the steps that were left take undisturbed. */
  readonly beyondTheWorkLeftMs: number;
  readonly wholeMs: number;
  readonly executedTwice: number;
  /** The most steps of one run. */
  readonly executedTwiceInOneRun: number;
  readonly lost: number;
}

const undisturbed = await withFolder(async (start, sink) => {
  const first = start(runs);
  await until(() => linesOf(sink).length > 0);
  const beganAtMs = clock.monotonicMs();
  await ended(first);
  return clock.monotonicMs() - beganAtMs;
});
const found: Recovery[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  found.push(await withFolder(async (start, sink) => {
    const first = start(runs);
    await until(() => linesOf(sink).length > steps * (0.3 + 0.1 * round));
    const killed = once(first, "exit");
    first.kill("SIGKILL");
    const killedAtMs = clock.monotonicMs();
    await killed;
    const left = steps - linesOf(sink).length;
    const done = await ended(start(0));
    const wholeMs = clock.monotonicMs() - killedAtMs;
    return { wholeMs, beyondTheWorkLeftMs: wholeMs - (undisturbed * left) / steps, ...compare(linesOf(sink), done) };
  }));
}
const worst: Readonly<Record<string, Figure>> = {
  "beyond the work that was left (ms, median)": { figure: Math.round(median(found.map(({ beyondTheWorkLeftMs }) => beyondTheWorkLeftMs))), most: 1_000 },
  "from the kill to the last end (ms, median)": { figure: Math.round(median(found.map(({ wholeMs }) => wholeMs))), most: "" },
  "steps executed twice, of one run (most)": { figure: Math.max(...found.map(({ executedTwiceInOneRun }) => executedTwiceInOneRun)), most: 1 },
  "steps executed twice (median)": { figure: median(found.map(({ executedTwice }) => executedTwice)), most: runs },
  "steps and runs lost (sum)": { figure: found.reduce((sum, { lost }) => sum + lost, 0), most: 0 },
};
if (values.json) console.log(JSON.stringify(found));
else tellFigures(worst, values.strict);

async function withFolder<T>(measure: (start: (tasks: number) => ChildProcess, sink: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-bench-"));
  const sink = join(folder, "sink");
  const start = (tasks: number): ChildProcess =>
    spawn(process.execPath, ["--conditions=longhaul-source", join(import.meta.dirname, "kill/worker.ts"), "--data", join(folder, "data.db"), "--sink", sink, "--start", String(tasks), "--steps", values.steps, "--step-ms", values["step-ms"]], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    return await measure(start, sink);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How many tasks are done, as the process says when it ends. */
async function ended(child: ChildProcess): Promise<number> {
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`The process ended with ${String(code)}.`);
  return Number(said);
}

function linesOf(sink: string): readonly string[] {
  return existsSync(sink) ? readFileSync(sink, "utf8").split("\n").slice(0, -1) : [];
}

function compare(lines: readonly string[], done: number): Pick<Recovery, "executedTwice" | "executedTwiceInOneRun" | "lost"> {
  const twice = new Map<string, number>();
  const seen = new Set<string>();
  for (const line of lines) {
    const task = line.split(" ")[0] ?? "";
    if (seen.has(line)) twice.set(task, (twice.get(task) ?? 0) + 1);
    seen.add(line);
  }
  return { executedTwice: lines.length - seen.size, executedTwiceInOneRun: Math.max(0, ...twice.values()), lost: steps - seen.size + (runs - done) };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(clock, 5);
}
