import type { SqliteDatabase } from "../db/sqlite.ts";
import type { RestoredDoubt } from "../store/store.ts";
import type { RestoreMark } from "./restore-mark.ts";

/**
 * Whether a call of a run, of which the restored ledger knows nothing, may have been made after the recovery point. It may, when its work may have been done then:
 * D1 its task was there at the restore;
 * D2 its task comes from a firing that was due before the restore: the schedule that is made up for, the items of a poll that were seen then;
 * D3 its task was called, sent, published or made to undo by a run of which that is true.
 * A run that a person began anew since is theirs, as after any restart. Null: it was not made.
 */
export function findDoubt(db: SqliteDatabase, mark: RestoreMark, taskId: string, runId: string): RestoredDoubt | null {
  const run = db.get("SELECT serial, number FROM lh_run WHERE id = ?", runId);
  const isOldRun = Number(run?.["serial"]) <= mark.newest.run;
  if (!isOldRun && Number(run?.["number"]) > 1) return null;
  if (!isOfThen(db, mark, taskId)) return null;
  return { recoveryPointAtMs: mark.recoveryPointAtMs, isSameKey: isOldRun && !wasModelAsked(db, Number(run?.["serial"]), mark) };
}

/** Deeper calls are refused; compensations come on top. */
const ancestorsMax = 12;

function isOfThen(db: SqliteDatabase, mark: RestoreMark, taskId: string): boolean {
  for (let id: string | null = taskId, step = 0; id !== null && step < ancestorsMax; step++) {
    const task = db.get("SELECT serial, id, key, source, parent_run_id FROM lh_task WHERE id = ?", id);
    if (task === undefined) return false;
    if (Number(task["serial"]) <= mark.newest.task || wasDue(db, mark, id)) return true;
    const cause = causeOf(task);
    id = cause === null ? null : textOf(db.get("SELECT task_id FROM lh_run WHERE id = ?", cause)?.["task_id"]);
  }
  return false;
}

function wasDue(db: SqliteDatabase, { restoredAtMs }: RestoreMark, taskId: string): boolean {
  const receipt = db.get("SELECT json_extract(data, '$.dueAtMs') AS due FROM lh_record WHERE task_id = ? AND event_type = 'trigger' LIMIT 1", taskId);
  return receipt !== undefined && Number(receipt["due"]) <= restoredAtMs;
}

/** The run that a task is there for: that called it, sent it, published what it is for, or is undone by it. */
function causeOf(task: Readonly<Record<string, unknown>>): string | null {
  const { id, key, source, parent_run_id: parent } = task;
  if (typeof parent === "string") return parent;
  const found = /^run (\S+)$/.exec(String(source)) ?? /^event:(\S+?)\/publish\//.exec(String(key ?? "")) ?? /^c_(\S+)$/.exec(String(id));
  return found?.[1] ?? null;
}

/**
 * Since the restore: what it asks for has other ids, and so other keys, than what it asked for before. By the time too: where the newest steps were forgotten, their
 * positions come again.
 */
function wasModelAsked(db: SqliteDatabase, runSerial: number, { newest, restoredAtMs }: RestoreMark): boolean {
  return db.get("SELECT 1 FROM lh_journal WHERE run = ? AND kind = 'model' AND (position > ? OR completed_at_ms > ?) LIMIT 1", runSerial, newest.step, restoredAtMs) !== undefined;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
