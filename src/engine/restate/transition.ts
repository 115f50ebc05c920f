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
import { getRun } from "./runs.ts";
import { clearRecoveriesWithoutProgress, lockChildren, lockTaskOfRunSerial, saveTask, toTask, type StoredTask } from "./tasks.ts";
import { forgetWaits, listWaitsForTask, takeWait, type StoredWait } from "./waits.ts";

/** What of a task only this engine changes. */
type PlaceFields = Partial<Pick<StoredTask, "activation" | "attempt" | "suspended" | "claim" | "codeVersion">>;

/** Brings a task from one status to another and tells the observer, and the store when it leaves its slot, in the same transaction. */
export async function moveTask(change: Change, task: StoredTask, fields: TaskFields & PlaceFields, more: Pick<TaskChange, "failure" | "earlierVersion"> = {}): Promise<StoredTask> {
  const moved: StoredTask = computeMoved(task, fields, change.atMs);
  await saveTask(change.db, moved);
  if (task.status === "running") {
    change.effects.agents.add(task.agent);
    await change.write([{ type: "task.left", taskId: task.id }]);
  }
  if (moved.status === "queued") noteQueued(change, moved);
  await change.write(change.observe({ task: toTask(moved), from: task.status, atMs: change.atMs, ...more }));
  return moved;
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

/** Ends a task. Who waits for it is told in the same transaction; tasks that it called and that have not ended are canceled. */
export async function endTask(change: Change, task: StoredTask, end: TaskEnd): Promise<void> {
  const ended = await moveTask(change, task, { status: end.status, end, endedAtMs: change.atMs });
  change.effects.ended.push({ taskId: ended.id, runId: ended.runId, end });
  await startCompensation(change, ended, end);
  // A compensation that is restarted needs them again.
  if (end.status === "done" || !isCompensation(ended)) await replaceSeed(change.db, ended.id, []);
  if (ended.runId !== null) await abandonRun(change, ended.runId, `The task that called this one is ${end.status}.`);
  for (const wait of await listWaitsForTask(change.db, ended.id)) await completeWait(change, wait, { ok: true, value: { ...end, taskId: ended.id } as unknown as Json });
}

/** What a run that will not go on leaves behind: its waits are forgotten, its children canceled. */
export async function abandonRun(change: Change, runId: string, reason: string): Promise<void> {
  const run = await getRun(change.db, runId);
  if (run !== null) await forgetWaits(change.db, run.serial);
  for (const child of await lockChildren(change.db, runId)) await endTask(change, child, { status: "canceled", reason });
}
