import type { NewTask } from "../../record/task.ts";
import { boundedJson } from "../bounded-json.ts";
import type { RunPrefix, SeededStep, Started } from "../engine.ts";
import { assertWellFormedKey, keyConflict, keyHolder, queueFull } from "../refusal.ts";
import { noteQueued, type Change } from "./change.ts";
import { replaceSeed } from "./journal.ts";
import { insertForkedRun } from "./runs.ts";
import { lockTaskNow } from "./task-locks.ts";
import { getTask, insertTasks, saveTasks, toTask, type StoredTask } from "./tasks.ts";

export interface StartPlan {
  readonly queueMax: (agent: string) => number;
  readonly parentRunId?: string;
  readonly seed?: readonly SeededStep[];
  readonly fork?: { readonly prefix: RunPrefix; readonly newRunId: string };
}

export interface StartedAs extends Started {
  /** lh_task.serial of the task that has this id; null when another one holds its key. By it a try knows what an earlier one inserted whose COMMIT was answered into nothing. */
  readonly serial: number | null;
}

/**
 * Starts a task in this change, or finds the one that has its id or holds its key.
 * @throws {TASK_KEY_CONFLICT, QUEUE_FULL, PAYLOAD_TOO_LARGE, JSON_INVALID, OPTION_INVALID}
 */
export async function startTask(change: Change, task: NewTask, plan: StartPlan): Promise<StartedAs> {
  return await startClaimed(change, task, await claimKey(change, task), plan);
}

/** Starts these in this order, or finds them. Their keys are locked before, in the order of the keys: two that start the same work do not wait for each other crosswise. @throws as `startTask` does. */
export async function startEach(change: Change, tasks: readonly NewTask[], plan: StartPlan): Promise<void> {
  const claims = new Map<NewTask, Claim>();
  for (const task of tasks.toSorted((a, b) => compareKeys(a.key, b.key))) claims.set(task, await claimKey(change, task));
  for (const task of tasks) await startClaimed(change, task, claims.get(task) ?? null, plan);
}

async function startClaimed(change: Change, task: NewTask, claim: Claim, plan: StartPlan): Promise<StartedAs> {
  if (claim?.by === "itself") return { taskId: task.id, created: false, serial: claim.serial };
  if (claim !== null) return await findHolder(change, task, claim.taskId, plan.parentRunId !== undefined);
  const queueMax = plan.queueMax(task.agent);
  const input = boundedJson(task.input, `The input of task ${task.id}`, change.limits.valueBytesMax);
  const [inserted] = await insertTasks(change.db, [{ task: { ...task, input }, parentRunId: plan.parentRunId ?? null, queueMax }], change.atMs);
  if (inserted === undefined) {
    const there = await getTask(change.db, task.id);
    if (there !== null) return { taskId: task.id, created: false, serial: there.serial };
    throw queueFull(task.agent, queueMax, queueMax);
  }
  const stored = plan.fork === undefined ? inserted : await forked(change, inserted, plan.fork);
  if (plan.seed !== undefined && plan.seed.length > 0) await replaceSeed(change.db, task.id, plan.seed);
  await noteCreated(change, stored);
  return { taskId: task.id, created: true, serial: stored.serial };
}

async function noteCreated(change: Change, task: StoredTask): Promise<void> {
  noteQueued(change, task);
  await change.write(change.observe({ task: toTask(task), from: null, atMs: change.atMs }));
}

/** Starts tasks without a key, in this order, by one statement. Those are left out that cannot be started, or are there already: `startTask` says which. @throws {PAYLOAD_TOO_LARGE, JSON_INVALID} */
export async function startTasks<C extends { readonly task: NewTask }>(change: Change, calls: readonly C[], queueMax: (agent: string) => number): Promise<ReadonlyMap<C, StartedAs>> {
  const bounded = calls.map(({ task }) => ({ ...task, input: boundedJson(task.input, `The input of task ${task.id}`, change.limits.valueBytesMax) }));
  const inserted = new Map((await insertTasks(change.db, bounded.map((task) => ({ task, parentRunId: null, queueMax: queueMax(task.agent) })), change.atMs)).map((task) => [task.id, task]));
  const started = new Map<C, StartedAs>();
  for (const call of calls) {
    const stored = inserted.get(call.task.id);
    if (stored === undefined) continue;
    inserted.delete(stored.id); // Asked for twice: the second one finds it.
    await noteCreated(change, stored);
    started.set(call, { taskId: stored.id, created: true, serial: stored.serial });
  }
  return started;
}

async function forked(change: Change, task: StoredTask, { prefix, newRunId }: NonNullable<StartPlan["fork"]>): Promise<StoredTask> {
  if (!(await insertForkedRun(change.db, { id: newRunId, taskId: task.id }, prefix, change.atMs))) return task;
  const withRun: StoredTask = { ...task, runId: newRunId };
  await saveTasks(change.db, [withRun]);
  return withRun;
}

/** The task that holds the key, when it is this agent's too. It may be older than the task that calls it, which is locked. @throws {TASK_KEY_CONFLICT} */
async function findHolder(change: Change, task: NewTask, taskId: string, isCalled: boolean): Promise<StartedAs> {
  if (isCalled) await lockTaskNow(change.db, taskId);
  const agent = (await getTask(change.db, taskId))?.agent ?? task.agent;
  if (agent !== task.agent) throw keyConflict(task, taskId, agent);
  return { taskId, created: false, serial: null };
}

/** Why a task is not made: it is there, or another one holds its key. Null: this one holds its key now, or has none; without one, the row itself says whether there is one. */
type Claim = { readonly by: "itself"; readonly serial: number } | { readonly by: "another"; readonly taskId: string } | null;

async function claimKey(change: Change, task: NewTask): Promise<Claim> {
  if (task.key === null) return null;
  const before = await getTask(change.db, task.id);
  if (before !== null) return { by: "itself", serial: before.serial };
  assertWellFormedKey(task.key);
  try {
    await change.write([{ type: "key.claim", key: task.key, taskId: task.id, atMs: change.atMs, expiresAtMs: change.atMs + change.limits.keyWindowMs }]);
    return null;
  } catch (error) {
    return { by: "another", taskId: keyHolder(error) };
  }
}

/** Those of one key stay in their order: the first of them gets it. */
function compareKeys(a: string | null, b: string | null): number {
  const [one, other] = [a ?? "", b ?? ""];
  return one < other ? -1 : one > other ? 1 : 0;
}
