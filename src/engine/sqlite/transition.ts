import type { TaskEnd } from "../../record/task.ts";
import type { StepOutcome } from "../../record/step.ts";
import type { TaskChange } from "../engine.ts";
import type { JournaledStep } from "../journaled-step.ts";
import { isCompensation } from "../compensation.ts";
import { computeMoved, type TaskFields } from "../task-rules.ts";
import { noteQueued, observeChange, type Change } from "./change.ts";
import { startCompensation } from "./compensate.ts";
import { appendStep, getRun, replaceSeed } from "./journal.ts";
import { clearRecoveriesWithoutProgress, getTaskOfRunSerial, listChildren, saveTask, toTask, type StoredTask } from "./tasks.ts";
import { deleteWait, forgetWaits, listWaitsForTask, type StoredWait } from "./waits.ts";

/** Brings a task from one status to another and tells the observer, and the store when it leaves its slot, in the same commit. */
export function moveTask(change: Change, task: StoredTask, fields: TaskFields, more: Pick<TaskChange, "failure" | "earlierVersion" | "crashes"> = {}): StoredTask {
  const moved = computeMoved(task, fields, change.atMs);
  saveTask(change.db, task, moved);
  if (task.status === "running") change.write([{ type: "task.left", taskId: task.id }]);
  if (moved.status === "queued") noteQueued(change, moved);
  if (moved.status === "queued" && moved.runId === null) change.queues.note(moved.agent);
  observeChange(change, { task: toTask(moved), from: task.status, atMs: change.atMs, ...more });
  return moved;
}

/** A step was journaled for the run that its task has now: code is told of it. A task that makes progress has proved harmless: others may have waited for that. */
export function noteCompleted(change: Change, { serial, recoveriesWithoutProgress }: Pick<StoredTask, "serial" | "recoveriesWithoutProgress">, runId: string, step: JournaledStep): void {
  change.effects.completed.push({ runId, step });
  if (recoveriesWithoutProgress > 0 && clearRecoveriesWithoutProgress(change.db, serial)) change.effects.hasCleared = true;
}

/** Ends a wait: its run is delivered the outcome, or is queued to go on when it left memory. */
export function completeWait(change: Change, wait: StoredWait, outcome: StepOutcome): void {
  const { kind, name, occurrence, number, sinceAtMs } = wait;
  deleteWait(change.db, wait);
  const step = appendStep(change.db, wait.run, { kind, name, occurrence, number, attempt: 1, startedAtMs: sinceAtMs, completedAtMs: change.atMs, outcome });
  const task = getTaskOfRunSerial(change.db, wait.run);
  if (task === null || task.runId === null) return;
  if (task.status === "waiting" && task.waitingReason !== "code-mismatch") moveTask(change, task, { status: "queued" });
  if (step !== null) noteCompleted(change, task, task.runId, step);
}

/** Ends a task. Who waits for it is told in the same commit; tasks that it called and that have not ended are canceled. `runSerial` is of its run, where it is known. */
export function endTask(change: Change, task: StoredTask, end: TaskEnd, runSerial?: number): void {
  const ended = moveTask(change, task, { status: end.status, end, endedAtMs: change.atMs });
  change.effects.ended.push({ taskId: ended.id, runId: ended.runId, end });
  startCompensation(change, ended, end);
  // A compensation that is restarted needs them again.
  if (end.status === "done" || !isCompensation(ended)) replaceSeed(change.db, ended.id, []);
  if (ended.runId !== null) abandonRun(change, ended.runId, `The task that called this one is ${end.status}.`, runSerial);
  for (const wait of listWaitsForTask(change.db, ended.id)) completeWait(change, wait, { ok: true, value: { ...end, taskId: ended.id } as unknown as EndAsJson });
}

type EndAsJson = Extract<StepOutcome, { readonly ok: true }>["value"];

/** What a run that will not go on leaves behind: its waits are forgotten, its children canceled. */
export function abandonRun(change: Change, runId: string, reason: string, runSerial = getRun(change.db, runId)?.serial): void {
  if (runSerial !== undefined) forgetWaits(change.db, runSerial);
  for (const child of listChildren(change.db, runId)) endTask(change, child, { status: "canceled", reason });
}
