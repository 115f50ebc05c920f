import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { tellFigures } from "./targets.ts";

// From the `kill -9` of a worker to the first step that the next one executes, beside a first start, in time and in the worker's processor time, which does
// not depend on what else the machine does: `node bench/crash-to-step.ts`. `--strict` ends with 1 when the target is missed. Linux only: it reads /proc. Needs a build.
const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" }, strict: { type: "boolean", default: false } } });
const root = join(import.meta.dirname, "..");
/** A crash soon after another one is followed with a delay: each round has a supervisor of its own. */
const workMs = 1_500;
const resumeMsMax = 60_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function stepsOf(folder: string): readonly { readonly step: number; readonly atMs: number }[] {
  const lines = readFileSync(join(folder, "steps.log"), "utf8").trim().split("\n");
  return lines.map((line) => ({ step: Number(line.split(" ")[0]), atMs: Number(line.split(" ")[1]) }));
}

function workerOf(folder: string): number {
  const db = new DatabaseSync(join(folder, "data", "longhaul.db"), { readOnly: true, timeout: 5_000 });
  const pid = Number(db.prepare("SELECT pid FROM lh_owner").get()?.["pid"]);
  db.close();
  return pid;
}

interface Round {
  readonly startMs: number;
  readonly resumeMs: number;
  /** Of the second worker, until its first step. */
  readonly processorMs: number;
  readonly doubled: number;
}

/** Of a process so far, by the kernel's count of hundredths of a second. */
function processorMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function measure(): Promise<Round> {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-bench-"));
  const beganMs = Date.now();
  const child = spawn(process.execPath, [join(root, "bin/longhaul.js"), "start", join(root, "test/bench/fixture/stepping-team.ts"), "--data", join(folder, "data"), "--port", "0", "--json"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('"event":"started"')) break;
  child.stdout.resume();
  await sleep(workMs);
  const before = stepsOf(folder).length;
  const killedMs = Date.now();
  process.kill(workerOf(folder), "SIGKILL");
  while (stepsOf(folder).every(({ atMs }, index) => index < before || atMs <= killedMs + 100)) {
    if (Date.now() > killedMs + resumeMsMax) throw new Error(`No step was executed within ${resumeMsMax} ms after the crash.`);
    await sleep(5);
  }
  const processorMs = processorMsOf(workerOf(folder));
  await sleep(workMs);
  child.kill("SIGINT");
  await ended;
  const steps = stepsOf(folder);
  const first = steps.find(({ atMs }) => atMs > killedMs + 100);
  rmSync(folder, { recursive: true });
  return { startMs: (steps[0]?.atMs ?? Number.NaN) - beganMs, resumeMs: (first?.atMs ?? Number.NaN) - killedMs, processorMs, doubled: countDoubled(steps.map(({ step }) => step)) };
}

/** How many steps were executed again. @throws when one is missing, or another one than that which was under way when the worker died. */
function countDoubled(steps: readonly number[]): number {
  const gap = steps.findIndex((step, index) => index > 0 && step !== (steps[index - 1] ?? 0) + 1 && step !== steps[index - 1]);
  if (steps[0] !== 1 || gap >= 0) throw new Error(`Steps are missing, or were executed a second time that had ended: step ${steps[Math.max(0, gap)]} follows ${gap > 0 ? steps[gap - 1] : "none"}.`);
  const doubled = steps.length - new Set(steps).size;
  if (doubled > 1) throw new Error(`${doubled} steps were executed twice.`);
  return doubled;
}

const found: Round[] = [];
for (let round = 0; round < Number(values.rounds); round++) found.push(await measure());
const spread = (valueOf: (round: Round) => number): object => {
  const sorted = found.map(valueOf).toSorted((a, b) => a - b);
  return { best: sorted[0], median: sorted[Math.floor(sorted.length / 2)], worst: sorted.at(-1) };
};

console.table({
  "start to first step (ms)": spread(({ startMs }) => startMs),
  "crash to first resumed step (ms)": spread(({ resumeMs }) => resumeMs),
  "of it, processor time of the worker (ms)": spread(({ processorMs }) => processorMs),
  "steps executed twice, the one under way": spread(({ doubled }) => doubled),
});
tellFigures({ "crash to first resumed step (ms, worst)": { figure: Math.max(...found.map(({ resumeMs }) => resumeMs)), most: 2_000 } }, values.strict);
