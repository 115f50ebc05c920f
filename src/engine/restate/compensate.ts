import type { PostgresSession } from "../../db/postgres.ts";
import type { Task, TaskEnd } from "../../record/task.ts";
import { compensationFor, compensationIdOf, compensationOpen, compensationRunIdOf, isToBeCompensated } from "../compensation.ts";
import { isOpen } from "../task-rules.ts";
import { noteQueued, type Change } from "./change.ts";
import { listSteps } from "./journal.ts";
import { insertRunFrom } from "./runs.ts";
import { getTask, insertTask, saveTasks, toTask, type StoredTask } from "./tasks.ts";

/** Begins the task that undoes what the run of a task did that is ending, when it registered anything to be undone. Whatever the length of its queue: the run was let in. */
export async function startCompensation(change: Change, task: StoredTask, end: TaskEnd): Promise<void> {
  const { db } = change;
  if (!isToBeCompensated(task, end) || !(await hasRegistered(db, task.runId))) return;
  const inserted = await insertTask(db, compensationFor(task, end, change.atMs, change.limits), change.atMs, null);
  if (inserted === null) return;
  const stored: StoredTask = { ...inserted, runId: compensationRunIdOf(task.runId) };
  await insertRunFrom(db, { id: compensationRunIdOf(task.runId), taskId: stored.id }, task.runId, { begunAtMs: null, keysOf: task.runId });
  await saveTasks(db, [stored]);
  await db.run(`${insertSeed} FROM lh_journal WHERE run = (SELECT serial FROM lh_run WHERE id = $2) ORDER BY seq NULLS LAST, position ON CONFLICT DO NOTHING`, stored.id, task.runId);
  await db.run(`${insertSeed} FROM lh_seed WHERE task_id = $2 ORDER BY position ON CONFLICT DO NOTHING`, stored.id, task.id);
  noteQueued(change, stored);
  await change.write(change.observe({ task: toTask(stored), from: null, atMs: change.atMs }));
}

/** Begins a new run of a compensation: it is served what the ended run came to, and what was undone stays so. */
export async function insertCompensationAgain(db: PostgresSession, taskId: string, runId: string, newRunId: string): Promise<void> {
  await insertRunFrom(db, { id: newRunId, taskId }, runId, { begunAtMs: null, keysOf: runId });
  for (const { kind, name, occurrence, outcome } of await listSteps(db, runId)) {
    if (kind !== "compensation" || !outcome.ok) continue;
    await db.run(
      `${insertSeed} FROM lh_journal WHERE run = (SELECT serial FROM lh_run WHERE id = $2) AND kind = $3 AND name = $4 AND occurrence = $5 ON CONFLICT DO NOTHING`,
      taskId, runId, kind, name, occurrence,
    );
  }
}

/** @throws {TASK_STATE} while what the last run of this task did is being undone. */
export async function assertCompensated(db: PostgresSession, { id, runId }: Task): Promise<void> {
  const compensation = runId === null ? null : await getTask(db, compensationIdOf(runId));
  if (compensation !== null && isOpen(compensation)) throw compensationOpen(id, compensation.id);
}

/** What a fork was served of another run is that one's to undo. */
async function hasRegistered(db: PostgresSession, runId: string): Promise<boolean> {
  const row = await db.get("SELECT 1 AS one FROM lh_run JOIN lh_journal ON run = lh_run.serial WHERE lh_run.id = $1 AND kind = 'compensate' AND (attempt > 0 OR key_run_id IS NOT NULL) LIMIT 1", runId);
  return row !== undefined;
}

const insertSeed = "INSERT INTO lh_seed (task_id, kind, name, occurrence, started_at_ms, completed_at_ms, outcome) SELECT $1, kind, name, occurrence, started_at_ms, completed_at_ms, outcome";
