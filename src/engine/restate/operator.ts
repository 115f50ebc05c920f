import type { Task } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
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

/** What is asked of a task. By its id a try finds what an earlier one did, of which the answer to the COMMIT was lost. */
export interface TaskRequest {
  /** Of one that begins a new run, that run's. */
  readonly id: string;
  readonly taskId: string;
}

/** Ends a task and its children. False when it had ended. @throws {TASK_UNKNOWN} */
export async function cancelTask(change: Change, request: TaskRequest, reason: string): Promise<boolean> {
  await lockForEnds(change, [request.taskId]);
  const task = await lockKnown(change, request);
  if (await isDone(change, request)) return true;
  if (!isOpen(task)) return false;
  await noteDone(change, request);
  await endTask(change, task, { status: "canceled", reason });
  return true;
}

/** Queues a task for a new run: one that is dead or canceled, or whose run the code no longer fits. @throws {TASK_UNKNOWN, TASK_STATE} */
export async function restartTask(change: Change, request: TaskRequest, { seed = [], prefix, writes = [] }: StartOptions): Promise<Task> {
  const { taskId, id: newRunId } = request;
  await lockForEnds(change, [taskId]);
  const task = await lockKnown(change, request);
  if (await isDone(change, request)) return toTask(task);
  assertRestartable(task);
  await assertCompensated(change.db, task);
  await noteDone(change, request);
  const restart = async (runId: string | null, isAwaited: boolean): Promise<Task> => {
    const restarted = await moveTask(change, task, restartedFields(task, change.atMs, { runId, isAwaited }));
    await change.write(writes);
    return toTask(restarted);
  };
  if (task.runId !== null && isCompensation(task)) {
    await insertCompensationAgain(change.db, taskId, task.runId, newRunId);
    return await restart(newRunId, false);
  }
  if (task.runId !== null) await lockTouchedByEnd(change, task);
  if (task.runId !== null) await abandonRun(change, task.runId, "The task that called this one was restarted.");
  await replaceSeed(change.db, taskId, seed);
  const hasPrefix = prefix !== undefined && (await insertForkedRun(change.db, { id: newRunId, taskId }, prefix, change.atMs));
  const isAwaited = (await listWaitsForTask(change.db, taskId)).length > 0;
  return await restart(hasPrefix ? newRunId : null, isAwaited);
}

/** Queues a parked task for a new run that goes on where the code no longer fitted. @throws {TASK_UNKNOWN, TASK_STATE} */
export async function skipMismatch(change: Change, request: TaskRequest, writes: readonly Write[]): Promise<Task> {
  const { taskId, id: newRunId } = request;
  const task = await lockKnown(change, request);
  if (await isDone(change, request)) return toTask(task);
  assertSkippable(task);
  const expected = skippedStep(taskId, task.runId, await getMismatch(change.db, task.runId));
  await noteDone(change, request);
  await insertSkippedRun(change.db, { id: newRunId, taskId }, task.runId, expected);
  const skipped = await moveTask(change, task, { status: "queued", runId: newRunId });
  await change.write(writes);
  return toTask(skipped);
}

/** Locked: an earlier try of the same request that is still under way is over by then. */
async function lockKnown(change: Change, { taskId }: TaskRequest): Promise<StoredTask> {
  const task = await lockTask(change.db, taskId);
  if (task === null) throw taskUnknown(taskId);
  return task;
}

async function isDone({ db }: Change, { taskId, id }: TaskRequest): Promise<boolean> {
  return (await db.get("SELECT 1 AS one FROM lh_request WHERE task_id = $1 AND id = $2", taskId, id)) !== undefined;
}

async function noteDone({ db }: Change, { taskId, id }: TaskRequest): Promise<void> {
  await db.run("INSERT INTO lh_request (task_id, id) VALUES ($1, $2)", taskId, id);
}
