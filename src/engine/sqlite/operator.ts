import { LonghaulError } from "../../base/error.ts";
import { isJsonObject } from "../../base/json.ts";
import { isEnded, type Task } from "../../record/task.ts";
import type { StepIdentity } from "../../record/step.ts";
import type { StartOptions } from "../engine.ts";
import type { Change } from "./change.ts";
import { getMismatch, replaceSeed } from "./journal.ts";
import { insertForkedRun, insertSkippedRun } from "./runs.ts";
import { getTask, toTask, type StoredTask } from "./tasks.ts";
import { abandonRun, endTask, moveTask } from "./transition.ts";
import { listWaitsForTask } from "./waits.ts";

/** Ends a task and its children. False when it had ended. @throws {TASK_UNKNOWN} */
export function cancelTask(change: Change, taskId: string, reason: string): boolean {
  const task = knownTask(change, taskId);
  if (isEnded(task.status)) return false;
  endTask(change, task, { status: "canceled", reason });
  return true;
}

/**
 * Queues a task for a new run: one that is dead or canceled, or whose run the code no longer fits.
 * A deadline that has passed is set anew, as far away as it was at first. Crashes in all stay counted.
 * @throws {TASK_UNKNOWN, TASK_STATE}
 */
export function restartTask(change: Change, taskId: string, newRunId: string, { seed = [], prefix }: StartOptions): Task {
  const task = knownTask(change, taskId);
  if (task.status !== "dead" && task.status !== "canceled" && !isParked(task)) {
    const way = task.status === "done" ? `Begin a new task with \`longhaul fork ${taskId} --from 1\`.` : "See its state with `longhaul show`.";
    throw new LonghaulError("TASK_STATE", `Task ${taskId} is ${task.status}; only a dead, canceled or parked (code-mismatch) task is restarted. ${way}`);
  }
  if (task.runId !== null) abandonRun(change, task.runId, "The task that called this one was restarted.");
  replaceSeed(change.db, taskId, seed);
  const hasPrefix = prefix !== undefined && insertForkedRun(change.db, { id: newRunId, taskId }, prefix, change.atMs);
  const allowanceMs = task.deadlineAtMs - task.createdAtMs;
  const isAwaited = listWaitsForTask(change.db, taskId).length > 0;
  const restarted: StoredTask = moveTask(change, task, {
    status: "queued",
    end: null,
    endedAtMs: null,
    startedAtMs: null,
    runId: hasPrefix ? newRunId : null,
    parentRunId: isAwaited ? task.parentRunId : null,
    deadlineAtMs: task.deadlineAtMs > change.atMs ? task.deadlineAtMs : change.atMs + allowanceMs,
    recoveriesWithoutProgress: 0,
  });
  return toTask(restarted);
}

/**
 * Queues a parked task for a new run that goes on where the code no longer fitted.
 * @throws {TASK_UNKNOWN, TASK_STATE}
 */
export function skipMismatch(change: Change, taskId: string, newRunId: string): Task {
  const task = knownTask(change, taskId);
  if (!isParked(task) || task.runId === null) {
    throw new LonghaulError("TASK_STATE", `Task ${taskId} is ${task.status}${task.waitingReason === null ? "" : `(${task.waitingReason})`}; only one whose run is parked (code-mismatch) has a step to skip. See its state with \`longhaul show\`.`);
  }
  const expected = expectedOf(change, task.runId);
  if (expected === null) {
    throw new LonghaulError("TASK_STATE", `The journal of run ${task.runId} is of another version of longhaul: no single step can be skipped. Run it with the version that it began with, or type: longhaul restart ${taskId}`);
  }
  insertSkippedRun(change.db, { id: newRunId, taskId }, task.runId, expected);
  return toTask(moveTask(change, task, { status: "queued", runId: newRunId }));
}

/** The step that the journal holds and the code did not ask for. */
function expectedOf({ db }: Change, runId: string): StepIdentity | null {
  const step = getMismatch(db, runId)?.details["expectedStep"];
  return isJsonObject(step) ? (step as unknown as StepIdentity) : null;
}

function isParked({ status, waitingReason }: Task): boolean {
  return status === "waiting" && waitingReason === "code-mismatch";
}

function knownTask(change: Change, taskId: string): StoredTask {
  const task = getTask(change.db, taskId);
  if (task === null) throw new LonghaulError("TASK_UNKNOWN", `No task has the id ${taskId}. List tasks with \`longhaul ps --all\`.`);
  return task;
}
