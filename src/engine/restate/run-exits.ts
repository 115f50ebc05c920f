import { isLonghaulError } from "../../base/error.ts";
import { toFailure } from "../../record/failure.ts";
import type { DeadReason, WaitingReason } from "../../record/task.ts";
import { boundedTaskEnd } from "../bounded-json.ts";
import type { NearLimit, RunEnd } from "../engine.ts";
import { isEngineClosed } from "../refusal.ts";
import { deadEnd } from "../task-rules.ts";
import { AttemptLost } from "./attempt-lost.ts";
import { currentTask, type AttemptIds } from "./attempt-state.ts";
import type { Change } from "./change.ts";
import { endTogether, type Ending } from "./end-together.ts";
import type { ToldSteps } from "./facts.ts";
import { hasUntold } from "./journal.ts";
import { markParked } from "./runs.ts";
import { lockForEnds } from "./task-locks.ts";
import { markChanged, toTask, type StoredTask } from "./tasks.ts";
import { endTask, moveTask } from "./transition.ts";
import type { Joint } from "./together.ts";
import type { PersistOptions, Writer } from "./writer.ts";

/** What leaves memory with a run. */
export interface Leaving {
  readonly writer: Writer;
  readonly ids: AttemptIds;
  /** What code was told and is not stored yet: it is stored in the same transaction. */
  readonly told: ToldSteps;
  /** How long its task has executed by now. */
  readonly activeMs: () => number;
}

/** The ways in which a run leaves memory. Each is one transaction that resolves to true, or to false when the run has to go on instead. Rejects when another attempt of it was begun. */

/** The run waits. Refused while something is stored, or is on its way to code, that code was not told. */
export async function suspendRun(leaving: Leaving, reason: WaitingReason, deliveredCount: number): Promise<boolean> {
  return await exit(leaving, async (change, task) => {
    if (await hasUntold(change.db, { run: leaving.ids.runSerial, activation: leaving.ids.activation, attempt: leaving.ids.attempt }, leaving.told.keys())) return false;
    if (leaving.told.count > deliveredCount) return false;
    await moveTask(change, task, { status: "waiting", waitingReason: reason, activeMs: leaving.activeMs() });
    return true;
  });
}

/** The code does not fit the journal: the task waits for a decision, or for another version. */
export async function parkRun(leaving: Leaving, codeVersion: string, error: Error): Promise<boolean> {
  const failure = toFailure(error);
  return await exit(leaving, async (change, task) => {
    await markParked(change.db, leaving.ids.runId, codeVersion, failure);
    await moveTask(change, task, { status: "waiting", waitingReason: "code-mismatch", activeMs: leaving.activeMs() }, { failure });
    return true;
  });
}

/** The process stops: the run goes on elsewhere or later, and nothing is counted against it. */
export async function releaseRun(leaving: Leaving): Promise<boolean> {
  return await exit(leaving, async (change, task) => {
    await moveTask(change, task, { status: "queued", activeMs: leaving.activeMs() });
    return true;
  }, { patience: "last" });
}

/** Durable code returned. When a guard refuses what it wants to write, or its output cannot be stored, the task is dead with that failure. */
export async function endRun(leaving: Leaving, { end, writes = [] }: RunEnd): Promise<boolean> {
  try {
    return await leaving.writer.together(endings, { ...leaving, end, writes });
  } catch (error) {
    if (isEngineClosed(error) || error instanceof AttemptLost) throw error;
    const isOutput = isLonghaulError(error) && (error.code === "PAYLOAD_TOO_LARGE" || error.code === "JSON_INVALID");
    return await failRun(leaving, isOutput ? "invalid-output" : "failed", error);
  }
}

const endings: Joint<Leaving & Ending, boolean> = {
  together: endTogether,
  alone: ({ end, writes, ...leaving }) => exit(leaving, async (change, task) => {
    await endTask(change, task, boundedTaskEnd(end, task.id, change.limits.valueBytesMax));
    await change.write(writes);
    return true;
  }, { lock: lockOwnEnd(leaving) }),
};

/** Durable code threw, or has to be stopped. */
export async function failRun(leaving: Leaving, reason: DeadReason, error: unknown): Promise<boolean> {
  const end = deadEnd(reason, error);
  return await exit(leaving, async (change, task) => {
    await endTask(change, task, end);
    return true;
  }, { lock: lockOwnEnd(leaving), patience: "last" });
}

/** Stores what code was told, and what it is about to be told, while the run stays in memory. False when the task does not execute it any more. Rejects as an exit does. */
export async function storeTold({ writer, ids, told }: Leaving): Promise<boolean> {
  const forget = await writer.persist(async (change) => {
    const task = await currentTask(change, ids);
    if (task === "superseded") throw new AttemptLost(ids.runId);
    return task === "over" ? null : await told.store(change);
  }, { patience: "last" });
  forget?.();
  return forget !== null;
}

/** The code cannot go on with this activation: the next attempt hands it on. */
export async function markForHandingOn({ writer, ids }: Leaving): Promise<void> {
  await writer.persist((change) => markChanged(change.db, ids));
}

/** Tells the observer that a run comes near a limit. Nothing is told when the task does not execute the run any more. */
export async function announceNearLimit({ writer, ids }: Leaving, nearLimit: NearLimit): Promise<void> {
  await writer.persist(async (change) => {
    const task = await currentTask(change, ids);
    if (typeof task !== "string") await change.write(change.observe({ task: toTask(task), from: task.status, atMs: change.atMs, nearLimit }));
  });
}

type Act = (change: Change, task: StoredTask) => Promise<boolean>;

interface ExitOptions extends PersistOptions {
  readonly lock?: (change: Change) => Promise<void>;
}

/** The task ends, and others with it or because of it. */
function lockOwnEnd({ ids }: Leaving): (change: Change) => Promise<void> {
  return (change) => lockForEnds(change, [ids.taskId]);
}

async function exit({ writer, ids, told }: Leaving, act: Act, { lock, patience = "task" }: ExitOptions = {}): Promise<boolean> {
  return await writer.persist(async (change) => {
    await lock?.(change);
    const task = await currentTask(change, ids);
    if (task === "superseded") throw new AttemptLost(ids.runId);
    if (task === "over") return true;
    await told.store(change);
    return await act(change, task);
  }, { patience });
}
