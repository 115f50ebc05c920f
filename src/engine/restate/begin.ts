import { LonghaulError } from "../../base/error.ts";
import type { EngineAgent } from "../engine.ts";
import { numbersOf } from "../journaled-step.ts";
import type { LoadedRun } from "../run-host.ts";
import { unreadable } from "../stuck-run.ts";
import { computeRecovered } from "../task-rules.ts";
import type { Change } from "./change.ts";
import type { Activation } from "./claim.ts";
import { listJournal, listSeed } from "./journal.ts";
import { countRecovery, getRun } from "./runs.ts";
import { lockTaskOfRun, saveTask, type StoredTask } from "./tasks.ts";
import { endTask, moveTask } from "./transition.ts";
import { listWaits } from "./waits.ts";

/** A run that begins, or begins again after a crash of the process that had it. */
export interface BegunRun extends LoadedRun {
  readonly task: StoredTask;
  /** lh_run.serial. */
  readonly runSerial: number;
  /** Crashes that interrupted this run. */
  readonly recoveries: number;
  /** How many steps of the journal code was told of before. */
  readonly told: number;
}

/** One call of Restate to begin an attempt. */
export interface Beginning {
  readonly agentOf: (name: string) => EngineAgent | undefined;
  /** Aborts when Restate has given up the call. */
  readonly called: AbortSignal;
  /** The attempt that this call has begun, should that be committed: its answer may be lost, and it is done once more. */
  attempt: number | null;
}

/**
 * Begins an attempt of an activation; what an earlier attempt still writes is refused from now on. A second one means that the first was cut off: that crash is counted.
 * Null when the task does not execute this activation: it ended, or was given up as one that crashes too often.
 * A call that Restate has given up is looked for under the lock: PostgreSQL may have been away for longer than Restate waited, and a beginning that comes after the one of
 * the next call would leave a run that nobody executes.
 */
export async function beginAttempt(change: Change, { runId, activation }: Activation, beginning: Beginning): Promise<BegunRun | null> {
  const { agentOf, called } = beginning;
  const found = await lockTaskOfRun(change.db, runId);
  if (called.aborted) throw new Error(`Restate has given up this call of run ${runId}.`);
  if (found === null || found.status !== "running" || found.activation !== activation) return null;
  const agent = agentOf(found.agent);
  // Another worker may have it: Restate calls again, and nothing is counted.
  if (agent === undefined) throw new LonghaulError("AGENT_UNKNOWN", `This worker does not have the agent "${found.agent}" of task ${found.id}. Run the same team on every worker.`, { retry: "backoff" });
  const task = await begin(change, found, beginning);
  if (task === null) return null;
  beginning.attempt = task.attempt;
  const run = await getRun(change.db, runId);
  if (run === null) return null;
  const { steps, told } = await listJournal(change.db, run.serial, activation);
  return {
    task, runId, told,
    journal: steps,
    numbers: numbersOf(steps, await listWaits(change.db, run.serial)),
    runSerial: run.serial,
    keyRunId: run.keyRunId,
    randomRunId: run.randomRunId,
    startedAtMs: run.startedAtMs,
    begunAtMs: run.begunAtMs,
    recoveries: run.recoveries,
    mismatch: unreadable(run, agent),
    seed: await listSeed(change.db, task.id),
  };
}

async function begin(change: Change, found: StoredTask, { attempt }: Beginning): Promise<StoredTask | null> {
  if (found.attempt === attempt) return found;
  return found.attempt === 0 || found.suspended ? await begun(change, found) : await begunAgain(change, found);
}

async function begun(change: Change, task: StoredTask): Promise<StoredTask> {
  const next: StoredTask = { ...task, attempt: task.attempt + 1, suspended: false };
  await saveTask(change.db, next);
  return next;
}

async function begunAgain(change: Change, task: StoredTask): Promise<StoredTask | null> {
  const { counted, end } = computeRecovered(task, change.limits, false);
  if (task.runId !== null) await countRecovery(change.db, task.runId);
  if (end !== null) {
    await endTask(change, counted, end);
    return null;
  }
  // It kept its slot, so nobody is asked for it; the store and the observer are told as of any recovery.
  const queued = await moveTask(change, counted, { status: "queued" });
  return await moveTask(change, queued, { status: "running", attempt: task.attempt + 1 });
}
