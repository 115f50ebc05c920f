import type { Task } from "../../record/task.ts";
import type { StartOptions } from "../engine.ts";
import { isCompensation } from "../compensation.ts";
import { taskUnknown } from "../refusal.ts";
import { assertRestartable, assertSkippable, isOpen, restartedFields, skippedStep } from "../task-rules.ts";
import type { Change } from "./change.ts";
import { assertCompensated, insertCompensationAgain } from "./compensate.ts";
import { getMismatch, replaceSeed } from "./journal.ts";
import { insertForkedRun, insertSkippedRun } from "./runs.ts";
import { getTask, toTask, type StoredTask } from "./tasks.ts";
import { abandonRun, endTask, moveTask } from "./transition.ts";
import { listWaitsForTask } from "./waits.ts";

/** Ends a task and its children. False when it had ended. @throws {TASK_UNKNOWN} */
export function cancelTask(change: Change, taskId: string, reason: string): boolean {
  const task = knownTask(change, taskId);
  if (!isOpen(task)) return false;
  endTask(change, task, { status: "canceled", reason });
  return true;
}

/** Queues a task for a new run: one that is dead or canceled, or whose run the code no longer fits. @throws {TASK_UNKNOWN, TASK_STATE} */
export function restartTask(change: Change, taskId: string, newRunId: string, { seed = [], prefix }: StartOptions): Task {
  const task = knownTask(change, taskId);
  assertRestartable(task);
  assertCompensated(change.db, task);
  if (task.runId !== null && isCompensation(task)) {
    insertCompensationAgain(change.db, taskId, task.runId, newRunId);
    return toTask(moveTask(change, task, restartedFields(task, change.atMs, { runId: newRunId, isAwaited: false })));
  }
  if (task.runId !== null) abandonRun(change, task.runId, "The task that called this one was restarted.");
  replaceSeed(change.db, taskId, seed);
  const hasPrefix = prefix !== undefined && insertForkedRun(change.db, { id: newRunId, taskId }, prefix, change.atMs);
  const isAwaited = listWaitsForTask(change.db, taskId).length > 0;
  return toTask(moveTask(change, task, restartedFields(task, change.atMs, { runId: hasPrefix ? newRunId : null, isAwaited })));
}

/** Queues a parked task for a new run that goes on where the code no longer fitted. @throws {TASK_UNKNOWN, TASK_STATE} */
export function skipMismatch(change: Change, taskId: string, newRunId: string): Task {
  const task = knownTask(change, taskId);
  assertSkippable(task);
  const expected = skippedStep(taskId, task.runId, getMismatch(change.db, task.runId));
  insertSkippedRun(change.db, { id: newRunId, taskId }, task.runId, expected);
  return toTask(moveTask(change, task, { status: "queued", runId: newRunId }));
}

function knownTask(change: Change, taskId: string): StoredTask {
  const task = getTask(change.db, taskId);
  if (task === null) throw taskUnknown(taskId);
  return task;
}
