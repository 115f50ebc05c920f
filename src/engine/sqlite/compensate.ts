import { loadJson } from "../../db/payload.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { Task, TaskEnd } from "../../record/task.ts";
import { parseOutcome } from "../../record/step.ts";
import { compensationFor, compensationIdOf, compensationRunIdOf, isCompensation, isToBeCompensated, refuseRestart, type InTheWay } from "../compensation.ts";
import { isOpen } from "../task-rules.ts";
import { noteQueued, observeChange, type Change } from "./change.ts";
import { insertRunFrom } from "./runs.ts";
import { getTask, insertTask, saveTask, toTask, type StoredTask } from "./tasks.ts";

/** Begins the task that undoes what the run of a task did that is ending, when it registered anything to be undone. Whatever the length of its queue: the run was let in. */
export function startCompensation(change: Change, task: StoredTask, end: TaskEnd): void {
  const { db } = change;
  if (!isToBeCompensated(task, end) || !hasRegistered(db, task.id, task.runId) || getTask(db, compensationIdOf(task.runId)) !== null) return;
  const inserted = insertTask(db, compensationFor(task, end, change.isActing(task.runId), change.atMs, change.limits), change.atMs, null);
  const stored: StoredTask = { ...inserted, runId: compensationRunIdOf(task.runId) };
  insertRunFrom(db, { id: compensationRunIdOf(task.runId), taskId: stored.id }, task.runId, { begunAtMs: null, keysOf: task.runId });
  saveTask(db, inserted, stored);
  db.run(`${insertSeed} FROM lh_journal WHERE run = (SELECT serial FROM lh_run WHERE id = ?) ORDER BY position`, stored.id, task.runId);
  db.run(`${insertSeed} FROM lh_seed WHERE task_id = ? ORDER BY rowid`, stored.id, task.id);
  noteQueued(change, stored);
  observeChange(change, { task: toTask(stored), from: null, atMs: change.atMs });
}

/** A step of a run that had ended acts no more: when none does, what undoes the run need not wait. */
export function noteStopped(change: Change, runId: string): void {
  const { db, atMs } = change;
  if (change.isActing(runId)) return;
  const { changes } = db.run("UPDATE lh_task SET not_before_at_ms = ? WHERE id = ? AND status = 'queued' AND not_before_at_ms > ?", atMs, compensationIdOf(runId), atMs);
  const compensation = changes === 0 ? null : getTask(db, compensationIdOf(runId));
  if (compensation !== null) noteQueued(change, compensation);
}

/** Begins a new run of a compensation: it is served what the ended run came to, and what was undone stays so. */
export function insertCompensationAgain(db: SqliteDatabase, taskId: string, runId: string, newRunId: string): void {
  insertRunFrom(db, { id: newRunId, taskId }, runId, { begunAtMs: null, keysOf: runId });
  const undone = db.all("SELECT position, outcome FROM lh_journal WHERE run = (SELECT serial FROM lh_run WHERE id = ?) AND kind = 'compensation' ORDER BY position", runId);
  for (const { position, outcome } of undone) {
    if (parseOutcome(loadJson(db, String(outcome))).ok) db.run(`${insertSeed} FROM lh_journal WHERE position = ?`, taskId, Number(position));
  }
}

/** @throws {TASK_STATE} while what the last run of this task did, or a run that it called, is not undone. */
export function assertCompensated(db: SqliteDatabase, task: Task): void {
  refuseRestart(task.id, task.runId === null || isCompensation(task) ? null : inTheWay(db, task, task.runId));
}

function inTheWay(db: SqliteDatabase, task: Task, runId: string): InTheWay | null {
  if (isOpen(task) && hasRegistered(db, task.id, runId)) return { why: "registered" };
  const own = getTask(db, compensationIdOf(runId));
  if (own !== null && own.status !== "done") return { why: isOpen(own) ? "undoing" : "left", compensationId: own.id };
  const called = db.get(
    `WITH RECURSIVE called (run_id) AS (SELECT run_id FROM lh_task WHERE parent_run_id = ? UNION SELECT lh_task.run_id FROM called JOIN lh_task ON parent_run_id = called.run_id)
     SELECT id, ended_at_ms IS NULL AS is_open FROM called JOIN lh_task ON id = 'c_' || called.run_id WHERE status <> 'done' ORDER BY is_open DESC, id LIMIT 1`,
    runId,
  );
  return called === undefined ? null : { why: called["is_open"] === 1 ? "undoing" : "left", compensationId: String(called["id"]) };
}

/** What a fork was served of another run is that one's to undo. What a skip has not been served yet is its own. */
function hasRegistered(db: SqliteDatabase, taskId: string, runId: string): boolean {
  const row = db.get(
    `SELECT 1 FROM lh_run WHERE id = ? AND (EXISTS (SELECT 1 FROM lh_journal WHERE run = lh_run.serial AND kind = 'compensate' AND (attempt > 0 OR key_run_id IS NOT NULL))
       OR (key_run_id IS NOT NULL AND EXISTS (SELECT 1 FROM lh_seed WHERE task_id = ? AND kind = 'compensate')))`,
    runId, taskId,
  );
  return row !== undefined;
}

const insertSeed = "INSERT OR IGNORE INTO lh_seed (task_id, kind, name, occurrence, started_at_ms, completed_at_ms, outcome) SELECT ?, kind, name, occurrence, started_at_ms, completed_at_ms, outcome";
