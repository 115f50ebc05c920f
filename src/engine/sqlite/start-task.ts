import { isLonghaulError, LonghaulError } from "../../base/error.ts";
import { toJsonText, type Json } from "../../base/json.ts";
import type { NewTask } from "../../record/task.ts";
import type { RunPrefix, SeededStep, Started } from "../engine.ts";
import { noteQueued, observeChange, type Change } from "./change.ts";
import { replaceSeed } from "./journal.ts";
import { insertForkedRun } from "./runs.ts";
import { getTask, insertTask, saveTask, toTask, type StoredTask } from "./tasks.ts";

export interface StartPlan {
  readonly queueMax: (agent: string) => number;
  readonly parentRunId?: string;
  readonly seed?: readonly SeededStep[];
  readonly fork?: { readonly prefix: RunPrefix; readonly newRunId: string };
}

/**
 * Starts a task in this change, or finds the one that has its id or holds its key.
 * @throws {TASK_KEY_CONFLICT, QUEUE_FULL, PAYLOAD_TOO_LARGE, JSON_INVALID, OPTION_INVALID}
 */
export function startTask(change: Change, task: NewTask, plan: StartPlan): Started {
  if (getTask(change.db, task.id) !== null) return { taskId: task.id, created: false };
  const holder = claimKey(change, task);
  if (holder !== null) return findHolder(change, task, holder);
  const queueMax = plan.queueMax(task.agent);
  const queued = change.queues.enter(change.db, task.agent, queueMax);
  if (queued !== null) {
    throw new LonghaulError("QUEUE_FULL", `The queue of agent "${task.agent}" is full: ${queued} of ${queueMax} tasks wait. Wait until it drains, or raise queueMax.`, {
      retry: "backoff",
      details: { agent: task.agent, queueMax },
    });
  }
  const input = boundedJson(task.input, `The input of task ${task.id}`, change.limits.valueBytesMax);
  const inserted = insertTask(change.db, { ...task, input }, change.atMs, plan.parentRunId ?? null);
  const stored = plan.fork === undefined ? inserted : forked(change, inserted, plan.fork);
  if (plan.seed !== undefined && plan.seed.length > 0) replaceSeed(change.db, task.id, plan.seed);
  noteQueued(change, stored);
  observeChange(change, { task: toTask(stored), from: null, atMs: change.atMs });
  return { taskId: task.id, created: true };
}

function forked(change: Change, task: StoredTask, { prefix, newRunId }: NonNullable<StartPlan["fork"]>): StoredTask {
  if (!insertForkedRun(change.db, { id: newRunId, taskId: task.id }, prefix, change.atMs)) return task;
  const withRun: StoredTask = { ...task, runId: newRunId };
  saveTask(change.db, task, withRun);
  return withRun;
}

/** The task that holds the key, when it is this agent's too: a key that means another agent's work would lose this one's in silence. */
function findHolder(change: Change, task: NewTask, taskId: string): Started {
  const agent = getTask(change.db, taskId)?.agent ?? task.agent;
  if (agent === task.agent) return { taskId, created: false };
  const message = `The idempotency key ${JSON.stringify(task.key)} belongs to task ${taskId} of agent "${agent}", so that no task of "${task.agent}" was started. Put the agent's name into the key.`;
  throw new LonghaulError("TASK_KEY_CONFLICT", message, { details: { taskId, agent } });
}

/** Plain data of bounded size. @throws {JSON_INVALID, PAYLOAD_TOO_LARGE} */
export function boundedJson(value: unknown, what: string, bytesMax: number): Json {
  const text = toJsonText(value, what);
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) {
    throw new LonghaulError("PAYLOAD_TOO_LARGE", `${what} has ${bytes} bytes; at most ${bytesMax} are stored. Store it elsewhere and pass a reference.`, { details: { bytes, bytesMax } });
  }
  return JSON.parse(text) as Json;
}

/** The id of the task that holds the key of this one, null when this one holds it now or has none. */
function claimKey(change: Change, task: NewTask): string | null {
  if (task.key === null) return null;
  // Halves of characters are all stored as the same sign: two keys would be one.
  if (!task.key.isWellFormed()) throw new LonghaulError("OPTION_INVALID", `The idempotency key ${JSON.stringify(task.key)} holds half a character (a lone surrogate). Use well-formed text.`);
  try {
    change.write([{ type: "key.claim", key: task.key, taskId: task.id, atMs: change.atMs, expiresAtMs: change.atMs + change.limits.keyWindowMs }]);
    return null;
  } catch (error) {
    const holder = isLonghaulError(error) && error.code === "TASK_KEY_TAKEN" ? error.details["taskId"] : undefined;
    if (typeof holder === "string") return holder;
    throw error;
  }
}
