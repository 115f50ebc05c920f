import type { Json } from "../../base/json.ts";
import type { StepOutcome } from "../../record/step.ts";
import type { TaskEnd } from "../../record/task.ts";
import type { TaskChange } from "../engine.ts";
import { isCompensation } from "../compensation.ts";
import { computeMoved, type TaskFields } from "../task-rules.ts";
import { noteBell } from "./bells.ts";
import { noteQueued, type Change } from "./change.ts";
import { startCompensation } from "./compensate.ts";
import { appendStep, replaceSeed } from "./journal.ts";
import { getRun, listLeftBehind } from "./runs.ts";
import { lockTouchedByEnd } from "./task-locks.ts";
import { clearRecoveriesWithoutProgress, lockChildren, lockTaskOfRunSerial, saveTasks, toTask, type StoredTask } from "./tasks.ts";
import { forgetWaits, listWaitsForTask, takeWait, type StoredWait } from "./waits.ts";

/** What of a task only this engine changes. */
type PlaceFields = Partial<Pick<StoredTask, "activation" | "attempt" | "suspended" | "claim" | "codeVersion">>;

export interface Move {
  readonly task: StoredTask;
  readonly fields: TaskFields & PlaceFields;
  readonly more?: Pick<TaskChange, "failure" | "earlierVersion" | "crashes">;
}

/** Brings tasks from one status to another and tells the observer, and the store of those that leave their slots, in the same transaction. */
export async function moveTasks(change: Change, moves: readonly Move[]): Promise<readonly StoredTask[]> {
  if (moves.length === 0) return [];
  const moved = moves.map(({ task, fields }): StoredTask => computeMoved(task, fields, change.atMs));
  await saveTasks(change.db, moved);
  const left = moves.flatMap(({ task }) => (task.status === "running" ? [task] : []));
  for (const { agent } of left) change.effects.agents.add(agent);
  if (left.length > 0) await change.write(left.map(({ id: taskId }) => ({ type: "task.left", taskId })));
  for (const [index, { task, more }] of moves.entries()) {
    const now = moved[index] ?? task;
    if (now.status === "queued") noteQueued(change, now);
    await change.write(change.observe({ task: toTask(now), from: task.status, atMs: change.atMs, ...more }));
  }
  return moved;
}

/** See `moveTasks`. */
export async function moveTask(change: Change, task: StoredTask, fields: Move["fields"], more: Move["more"] = {}): Promise<StoredTask> {
  return (await moveTasks(change, [{ task, fields, more }]))[0] ?? task;
}

/** Ends a wait: its activation is told, or its run is queued to go on when it left memory. */
export async function completeWait(change: Change, found: StoredWait, outcome: StepOutcome): Promise<void> {
  const task = await lockTaskOfRunSerial(change.db, found.run);
  const wait = await takeWait(change.db, found);
  if (wait === null || task === null) return;
  const { kind, name, occurrence, number, sinceAtMs, awakeable } = wait;
  const step = await appendStep(change.db, wait.run, task.activation, { kind, name, occurrence, number, attempt: 1, startedAtMs: sinceAtMs, completedAtMs: change.atMs, outcome });
  const proved = step === null ? task : await noteProgress(change, task);
  if (task.status === "running" && step !== null && awakeable !== null) await noteBell(change, awakeable, step);
  if (task.status === "waiting" && task.waitingReason !== "code-mismatch") await moveTask(change, proved, { status: "queued" });
}

/** A task that makes progress has proved harmless: others may have waited for that. */
async function noteProgress(change: Change, task: StoredTask): Promise<StoredTask> {
  if (task.recoveriesWithoutProgress === 0) return task;
  change.effects.hasCleared ||= await clearRecoveriesWithoutProgress(change.db, task.serial);
  return { ...task, recoveriesWithoutProgress: 0, outOfMemoryWithoutProgress: 0 };
}

/** Ends a task. Who waits for it is told in the same transaction; tasks that it called and that have not ended are canceled. Whoever can calls `lockForEnds` beforehand. */
export async function endTask(change: Change, task: StoredTask, end: TaskEnd): Promise<void> {
  await endLocking(change, task, end, () => lockTouchedByEnd(change, task));
}

async function endLocking(change: Change, task: StoredTask, end: TaskEnd, lockTouched: () => Promise<void>): Promise<void> {
  const ended = await moveTask(change, task, { status: end.status, end, endedAtMs: change.atMs });
  change.effects.ended.push({ ...toTask(ended), end });
  await startCompensation(change, ended, end, task.status === "running");
  const { hasSeed, isAwaited, hasOpenEnds } = await listLeftBehind(change.db, ended.id, ended.runId);
  if (isAwaited || hasOpenEnds) await lockTouched();
  // A compensation that is restarted needs them again.
  if (hasSeed && (end.status === "done" || !isCompensation(ended))) await replaceSeed(change.db, ended.id, []);
  if (ended.runId !== null && hasOpenEnds) await abandonRun(change, ended.runId, `The task that called this one is ${end.status}.`);
  if (!isAwaited) return;
  for (const wait of await listWaitsForTask(change.db, ended.id)) await completeWait(change, wait, { ok: true, value: { ...end, taskId: ended.id } as unknown as Json });
}

/** What a run that will not go on leaves behind: its waits are forgotten, its children canceled. All that their ends touch is locked. */
export async function abandonRun(change: Change, runId: string, reason: string): Promise<void> {
  const run = await getRun(change.db, runId);
  if (run !== null) await forgetWaits(change.db, run.serial);
  for (const child of await lockChildren(change.db, runId)) await endLocking(change, child, { status: "canceled", reason }, () => Promise.resolve());
}
