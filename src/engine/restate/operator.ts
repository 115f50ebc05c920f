import type { Task } from "../../record/task.ts";
import type { StartOptions } from "../engine.ts";
import { isCompensation } from "../compensation.ts";
import { taskUnknown } from "../refusal.ts";
import { assertRestartable, assertSkippable, isOpen, restartedFields, skippedStep } from "../task-rules.ts";
import type { Change } from "./change.ts";
import { assertCompensated, insertCompensationAgain } from "./compensate.ts";
import { replaceSeed } from "./journal.ts";
import { getMismatch, insertForkedRun, insertSkippedRun } from "./runs.ts";
import { lockForEnds, lockTouchedByEnd } from "./task-locks.ts";
import { lockTask, toTask, type StoredTask } from "./tasks.ts";
import { abandonRun, endTask, moveTask } from "./transition.ts";
import { listWaitsForTask } from "./waits.ts";

/** Ends a task and its children. False when it had ended. @throws {TASK_UNKNOWN} */
export async function cancelTask(change: Change, taskId: string, reason: string): Promise<boolean> {
  await lockForEnds(change, [taskId]);
  const task = await knownTask(change, taskId);
  if (!isOpen(task)) return false;
  await endTask(change, task, { status: "canceled", reason });
  return true;
}

/** Queues a task for a new run: one that is dead or canceled, or whose run the code no longer fits. @throws {TASK_UNKNOWN, TASK_STATE} */
export async function restartTask(change: Change, taskId: string, newRunId: string, { seed = [], prefix }: StartOptions): Promise<Task> {
  await lockForEnds(change, [taskId]);
  const task = await knownTask(change, taskId);
  assertRestartable(task);
  await assertCompensated(change.db, task);
  if (task.runId !== null && isCompensation(task)) {
    await insertCompensationAgain(change.db, taskId, task.runId, newRunId);
    return toTask(await moveTask(change, task, restartedFields(task, change.atMs, { runId: newRunId, isAwaited: false })));
  }
  if (task.runId !== null) await lockTouchedByEnd(change, task);
  if (task.runId !== null) await abandonRun(change, task.runId, "The task that called this one was restarted.");
  await replaceSeed(change.db, taskId, seed);
  const hasPrefix = prefix !== undefined && (await insertForkedRun(change.db, { id: newRunId, taskId }, prefix, change.atMs));
  const isAwaited = (await listWaitsForTask(change.db, taskId)).length > 0;
  return toTask(await moveTask(change, task, restartedFields(task, change.atMs, { runId: hasPrefix ? newRunId : null, isAwaited })));
}

/** Queues a parked task for a new run that goes on where the code no longer fitted. @throws {TASK_UNKNOWN, TASK_STATE} */
export async function skipMismatch(change: Change, taskId: string, newRunId: string): Promise<Task> {
  const task = await knownTask(change, taskId);
  assertSkippable(task);
  const expected = skippedStep(taskId, task.runId, await getMismatch(change.db, task.runId));
  await insertSkippedRun(change.db, { id: newRunId, taskId }, task.runId, expected);
  return toTask(await moveTask(change, task, { status: "queued", runId: newRunId }));
}

async function knownTask(change: Change, taskId: string): Promise<StoredTask> {
  const task = await lockTask(change.db, taskId);
  if (task === null) throw taskUnknown(taskId);
  return task;
}
