import { isLonghaulError, LonghaulError } from "../base/error.ts";
import type { NewTask, Task } from "../record/task.ts";

// What every engine refuses, in the same words.

export function queueFull(agent: string, queued: number, queueMax: number): LonghaulError {
  return new LonghaulError("QUEUE_FULL", `The queue of agent "${agent}" is full: ${queued} of ${queueMax} tasks wait. Wait until it drains, or raise queueMax.`, { retry: "backoff", details: { agent, queueMax } });
}

/** A key that means another agent's work would lose this one's in silence. */
export function keyConflict(task: NewTask, holderId: string, holderAgent: string): LonghaulError {
  const message = `The idempotency key ${JSON.stringify(task.key)} belongs to task ${holderId} of agent "${holderAgent}", so that no task of "${task.agent}" was started. Put the agent's name into the key.`;
  return new LonghaulError("TASK_KEY_CONFLICT", message, { details: { taskId: holderId, agent: holderAgent } });
}

/** Halves of characters are all stored as the same sign: two keys would be one. @throws {OPTION_INVALID} */
export function assertWellFormedKey(key: string): void {
  if (!key.isWellFormed()) throw new LonghaulError("OPTION_INVALID", `The idempotency key ${JSON.stringify(key)} holds half a character (a lone surrogate). Use well-formed text.`);
}

/** The task that a refused claim of a key names. Anything else is thrown on. */
export function keyHolder(error: unknown): string {
  const holder = isLonghaulError(error) && error.code === "TASK_KEY_TAKEN" ? error.details["taskId"] : undefined;
  if (typeof holder === "string") return holder;
  throw error;
}

export function taskUnknown(taskId: string): LonghaulError {
  return new LonghaulError("TASK_UNKNOWN", `No task has the id ${taskId}. List tasks with \`longhaul ps --all\`.`);
}

export function runUnknown(runId: string): LonghaulError {
  return new LonghaulError("TASK_UNKNOWN", `No run has the id ${runId}. See the runs with \`longhaul runs\`.`);
}

/** A key may lead to a task that ended so long ago that nobody knows what it came to. */
export function calledForgotten(taskId: string): LonghaulError {
  return new LonghaulError("TASK_FORGOTTEN", `The idempotency key leads to task ${taskId}, which ended and was forgotten: what it came to is not known any more. Use another idempotency key for new work.`, { details: { taskId } });
}

/** A key may lead to a task that waits, over any number of calls, for the one that asks: then nobody would ever end. */
export function selfWait(childTaskId: string): LonghaulError {
  return new LonghaulError("TASK_STATE", `This step would wait for task ${childTaskId}, which itself waits for this run. Use another idempotency key.`);
}

export function signalsFull(runId: string, name: string, signalsPerRunMax: number): LonghaulError {
  return new LonghaulError("QUEUE_FULL", `Run ${runId} has ${signalsPerRunMax} signals that it did not take yet; "${name}" was refused. Send it when the run waits for it.`, { retry: "backoff" });
}

export function deadlinePassed({ id, deadlineAtMs, status }: Task): LonghaulError {
  return new LonghaulError("TASK_DEADLINE", `Task ${id} passed its deadline of ${new Date(deadlineAtMs).toISOString()} while it was ${status}. Raise limits.deadline of its agent, or find what it waits for.`);
}

export function runReplaced(taskId: string, runId: string): LonghaulError {
  return new LonghaulError("TASK_STATE", `Run ${runId} of task ${taskId} is over, and the task has begun anew. What a step of that run does is dropped.`);
}

export function engineClosed(): LonghaulError {
  return new LonghaulError("ENGINE_CLOSED", "The engine was closed. Start it again.");
}

/** True when work has come to nothing because this process stops: neither done nor refused. */
export function isEngineClosed(error: unknown): boolean {
  return isLonghaulError(error) && error.code === "ENGINE_CLOSED";
}

export function engineDraining(taskId: string): LonghaulError {
  return new LonghaulError("ENGINE_CLOSED", `Task ${taskId} was not started: the engine is draining. Start it again.`, { retry: "backoff" });
}

export function resultAbandoned(): LonghaulError {
  return new LonghaulError("ENGINE_CLOSED", "The engine was closed. Start it again to wait for the result.");
}

export function runGivenBack(): LonghaulError {
  return new LonghaulError("STORE_UNREACHABLE", "This process does not reach PostgreSQL, and another one goes on with the run. The step is attempted again there.", { retry: "backoff" });
}

export function drainOver(timeoutMs: number): LonghaulError {
  return new LonghaulError("ENGINE_CLOSED", `The engine stops, and the drain's ${timeoutMs} ms are over. The step is attempted again at the next start.`);
}
