import type { Change } from "./change.ts";
import { lockTask, type StoredTask } from "./tasks.ts";

/** What tells an attempt's writes from those of one that is over. */
export interface AttemptIds {
  readonly taskId: string;
  readonly taskSerial: number;
  readonly runId: string;
  readonly runSerial: number;
  readonly activation: number;
  readonly attempt: number;
}

/** The task while it executes this attempt, locked; else as `stateOf` says. */
export async function currentTask(change: Change, ids: AttemptIds): Promise<StoredTask | "over" | "superseded"> {
  const task = await lockTask(change.db, ids.taskId);
  const state = stateOf(task, ids);
  return task === null || state !== "current" ? (state === "superseded" ? state : "over") : task;
}

/**
 * "over": something else decided meanwhile, and nobody executes this activation. "superseded": another attempt of it was begun. Restate may have called two at once, while one
 * node of it takes over from another, and which of them it believes in is not known here: it has to call again.
 */
export function stateOf(task: StoredTask | null, { runId, activation, attempt }: AttemptIds): "current" | "over" | "superseded" {
  if (task === null || task.status !== "running" || task.runId !== runId || task.activation !== activation) return "over";
  return task.attempt === attempt ? "current" : "superseded";
}

/**
 * As `stateOf`, of a task as it was read some time ago: what was read before this attempt began says nothing of it, and of what this attempt itself brought about it knows.
 * A task never goes back: its activations count up, also over restarts, and so do the attempts of each.
 */
export function stateHeard(task: StoredTask, ids: AttemptIds): "current" | "over" | "superseded" {
  const isLater = task.activation > ids.activation || (task.activation === ids.activation && task.attempt > ids.attempt);
  const isSame = task.activation === ids.activation && task.attempt === ids.attempt;
  return isLater || (isSame && (task.runId !== ids.runId || task.endedAtMs !== null)) ? stateOf(task, ids) : "current";
}
