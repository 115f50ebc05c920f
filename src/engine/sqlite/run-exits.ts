import { isLonghaulError } from "../../base/error.ts";
import { toFailure } from "../../record/failure.ts";
import type { DeadReason, WaitingReason } from "../../record/task.ts";
import { boundedTaskEnd } from "../bounded-json.ts";
import type { NearLimit, RunEnd } from "../engine.ts";
import { deadEnd } from "../task-rules.ts";
import type { Change } from "./change.ts";
import { countSteps, markParked, type RunIds } from "./journal.ts";
import { getTask, toTask, type StoredTask } from "./tasks.ts";
import { endTask, moveTask } from "./transition.ts";
import { isFinal, type Writer } from "./writer.ts";

/** A run that leaves its slot, with how long its task has executed by now. */
export interface LeavingRun extends RunIds {
  readonly activeMs: () => number;
}

/** The ways in which a run leaves memory. Each is one commit that resolves to true, or to false when the run has to go on instead. */

/** The run waits. Refused while something is journaled that was not delivered. */
export async function suspendRun(writer: Writer, ids: LeavingRun, reason: WaitingReason, deliveredCount: number): Promise<boolean> {
  return await writer.persist((change) => {
    const task = currentTask(change, ids);
    if (task === null) return true;
    if (countSteps(change.db, ids.runSerial) > deliveredCount) return false;
    moveTask(change, task, { status: "waiting", waitingReason: reason, activeMs: ids.activeMs() });
    change.effects.left.push({ runId: ids.runId, how: "suspended" });
    return true;
  });
}

/** The code does not fit the journal: the task waits for a decision, or for another version. */
export async function parkRun(writer: Writer, ids: LeavingRun, codeVersion: string, error: Error): Promise<boolean> {
  return await writer.persist((change) => {
    const task = currentTask(change, ids);
    if (task === null) return true;
    const failure = toFailure(error);
    markParked(change.db, ids.runId, codeVersion, failure);
    moveTask(change, task, { status: "waiting", waitingReason: "code-mismatch", activeMs: ids.activeMs() }, { failure });
    change.effects.left.push({ runId: ids.runId, how: "parked" });
    return true;
  });
}

/** The engine stops: the run goes on later, and nothing is counted against it. */
export async function releaseRun(writer: Writer, ids: LeavingRun): Promise<boolean> {
  return await writer.persist((change) => {
    const task = currentTask(change, ids);
    if (task === null) return true;
    moveTask(change, task, { status: "queued", activeMs: ids.activeMs() });
    change.effects.left.push({ runId: ids.runId, how: "released" });
    return true;
  });
}

/** Durable code returned. When a guard refuses what it wants to write, or its output cannot be stored, the task is dead with that failure. */
export async function endRun(writer: Writer, ids: RunIds, { end, writes = [] }: RunEnd): Promise<boolean> {
  try {
    return await writer.persist((change) => {
      const task = currentTask(change, ids);
      if (task === null) return true;
      endTask(change, task, boundedTaskEnd(end, ids.taskId, change.limits.valueBytesMax), ids.runSerial);
      change.write(writes);
      return true;
    });
  } catch (error) {
    if (isFinal(error)) throw error;
    const isOutput = isLonghaulError(error) && (error.code === "PAYLOAD_TOO_LARGE" || error.code === "JSON_INVALID");
    return await failRun(writer, ids, isOutput ? "invalid-output" : "failed", error);
  }
}

/** Durable code threw, or has to be stopped. */
export async function failRun(writer: Writer, ids: RunIds, reason: DeadReason, error: unknown): Promise<boolean> {
  const end = deadEnd(reason, error);
  return await writer.persist((change) => {
    const task = currentTask(change, ids);
    if (task !== null) endTask(change, task, end, ids.runSerial);
    return true;
  });
}

/** Tells the observer that a run comes near a limit. Nothing is told when the task does not execute the run any more. */
export async function announceNearLimit(writer: Writer, ids: RunIds, nearLimit: NearLimit): Promise<void> {
  await writer.persist((change) => {
    const task = currentTask(change, ids);
    if (task !== null) change.write(change.observe({ task: toTask(task), from: task.status, atMs: change.atMs, nearLimit }));
  });
}

/** The task while it executes this run; null when something else decided meanwhile. */
function currentTask(change: Change, { taskId, runId }: RunIds): StoredTask | null {
  const task = getTask(change.db, taskId);
  return task !== null && task.status === "running" && task.runId === runId ? task : null;
}
