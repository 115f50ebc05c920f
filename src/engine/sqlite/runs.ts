import type { Json } from "../../base/json.ts";
import type { Row, SqliteDatabase } from "../../db/sqlite.ts";
import { parseFailure } from "../../record/failure.ts";
import type { Run } from "../../record/run.ts";
import type { StepIdentity } from "../../record/step.ts";
import type { RunPrefix } from "../engine.ts";
import { runUnknown } from "../refusal.ts";

/** The runs of a task, first to last. */
export function listRuns(db: SqliteDatabase, taskId: string): readonly Run[] {
  return db.all("SELECT * FROM lh_run WHERE task_id = ? ORDER BY number", taskId).map((row) => runFromRow(row));
}

/** The id of the task that a run belongs to, or belonged to; null when there is no such run. */
export function getTaskIdOfRun(db: SqliteDatabase, runId: string): string | null {
  const row = db.get("SELECT task_id FROM lh_run WHERE id = ?", runId);
  return row === undefined ? null : String(row["task_id"]);
}

/** A run that is about to be made from another one. */
export interface NewRun {
  readonly id: string;
  readonly taskId: string;
}

/**
 * Begins a run with the steps of another that are numbered below `prefix.below`: they are journaled as attempt 0, as they were and in their order. Code that
 * replays them sees the time and the chance of the other run; with the last of them its time comes to `atMs`. Returns false, and begins nothing, when there are none.
 * @throws {TASK_UNKNOWN} when there is no such run.
 */
export function insertForkedRun(db: SqliteDatabase, run: NewRun, prefix: RunPrefix, atMs: number): boolean {
  if (getTaskIdOfRun(db, prefix.runId) === null) throw runUnknown(prefix.runId);
  const from = serialOf(db, prefix.runId);
  if (db.get("SELECT 1 FROM lh_journal WHERE run = ? AND number < ?", from, prefix.below) === undefined) return false;
  const serial = insertRunFrom(db, run, prefix.runId, { begunAtMs: atMs, keysOf: null });
  db.run(`${copySteps} WHERE run = ? AND number < ? ORDER BY position`, serial, from, prefix.below);
  db.run("UPDATE lh_journal SET started_at_ms = ?, completed_at_ms = ? WHERE position = (SELECT max(position) FROM lh_journal WHERE run = ?)", atMs, atMs, serial);
  return true;
}

/**
 * Begins the run that a parked one goes on with. Steps before `expected` are journaled as they were; that one and those after it become the task's seed, to be
 * served when the code asks for them. Signals that nothing took, calls in flight and the keys of effects are the new one's.
 */
export function insertSkippedRun(db: SqliteDatabase, run: NewRun, parkedRunId: string, expected: StepIdentity): void {
  const from = serialOf(db, parkedRunId);
  const { kind, name, occurrence } = expected;
  const position = Number(db.get("SELECT position FROM lh_journal WHERE run = ? AND kind = ? AND name = ? AND occurrence = ?", from, kind, name, occurrence)?.["position"]);
  const serial = insertRunFrom(db, run, parkedRunId, { begunAtMs: null, keysOf: parkedRunId });
  db.run(`${copySteps} WHERE run = ? AND position < ? ORDER BY position`, serial, from, position);
  db.run(
    `INSERT OR IGNORE INTO lh_seed (task_id, kind, name, occurrence, started_at_ms, completed_at_ms, outcome)
     SELECT ?, kind, name, occurrence, started_at_ms, completed_at_ms, outcome FROM lh_journal WHERE run = ? AND position >= ? ORDER BY position`,
    run.taskId, from, position,
  );
  // A time or a signal is asked for again: at the same time, since the run sees the times that it saw.
  db.run("DELETE FROM lh_wait WHERE run = ? AND child_task_id IS NULL", from);
  db.run("UPDATE lh_wait SET run = ? WHERE run = ?", serial, from);
  db.run("UPDATE lh_signal SET run = ? WHERE run = ?", serial, from);
  db.run("UPDATE lh_task SET parent_run_id = ? WHERE parent_run_id = ?", run.id, parkedRunId);
}

const copySteps = `INSERT INTO lh_journal (run, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
  SELECT ?, number, kind, name, occurrence, 0, started_at_ms, completed_at_ms, outcome FROM lh_journal`;

/** A run with the versions, the beginning and the chance of another one; begun when that one was, unless another instant is given. Returns its serial. */
export function insertRunFrom(db: SqliteDatabase, { id, taskId }: NewRun, fromRunId: string, { begunAtMs, keysOf }: { readonly begunAtMs: number | null; readonly keysOf: string | null }): number {
  const { lastId } = db.run(
    `INSERT INTO lh_run (id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version, from_run_id, random_run_id, key_run_id)
     SELECT ?, ?, (SELECT 1 + count(*) FROM lh_run WHERE task_id = ?), agent_version, started_at_ms, coalesce(?, begun_at_ms), 0, format, loop_version, id, coalesce(random_run_id, id),
       (SELECT coalesce(key_run_id, id) FROM lh_run WHERE id = ?) FROM lh_run WHERE id = ?`,
    id, taskId, taskId, begunAtMs, keysOf, fromRunId,
  );
  return lastId;
}

function serialOf(db: SqliteDatabase, runId: string): number {
  return Number(db.get("SELECT serial FROM lh_run WHERE id = ?", runId)?.["serial"]);
}

function runFromRow(row: Row): Run {
  const from = row["from_run_id"];
  const mismatch = row["mismatch"];
  return {
    id: String(row["id"]),
    taskId: String(row["task_id"]),
    number: Number(row["number"]),
    agentVersion: String(row["agent_version"]),
    loopVersion: Number(row["loop_version"]),
    fromRunId: typeof from === "string" ? from : null,
    mismatch: typeof mismatch === "string" ? parseFailure(JSON.parse(mismatch) as Json) : null,
  };
}
