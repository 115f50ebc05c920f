import { LonghaulError } from "../../base/error.ts";
import { isEnded, type Task } from "../../record/task.ts";
import type { SeededStep } from "../engine.ts";
import type { Change } from "./change.ts";
import { replaceSeed } from "./journal.ts";
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
export function restartTask(change: Change, taskId: string, seed: readonly SeededStep[]): Task {
  const task = knownTask(change, taskId);
  const isParked = task.status === "waiting" && task.waitingReason === "code-mismatch";
  if (task.status !== "dead" && task.status !== "canceled" && !isParked) {
    throw new LonghaulError("TASK_STATE", `Task ${taskId} is ${task.status}; only a dead, canceled or parked (code-mismatch) task is restarted. See its state with \`longhaul show\`.`);
  }
  if (task.runId !== null) abandonRun(change, task.runId, "The task that called this one was restarted.");
  replaceSeed(change.db, taskId, seed);
  const allowanceMs = task.deadlineAtMs - task.createdAtMs;
  const isAwaited = listWaitsForTask(change.db, taskId).length > 0;
  const restarted: StoredTask = moveTask(change, task, {
    status: "queued",
    end: null,
    endedAtMs: null,
    startedAtMs: null,
    runId: null,
    parentRunId: isAwaited ? task.parentRunId : null,
    deadlineAtMs: task.deadlineAtMs > change.atMs ? task.deadlineAtMs : change.atMs + allowanceMs,
    recoveriesWithoutProgress: 0,
  });
  return toTask(restarted);
}

function knownTask(change: Change, taskId: string): StoredTask {
  const task = getTask(change.db, taskId);
  if (task === null) throw new LonghaulError("TASK_UNKNOWN", `No task has the id ${taskId}. List tasks with \`longhaul ps --all\`.`);
  return task;
}
