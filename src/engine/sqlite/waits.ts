import type { Json } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/payload.ts";
import type { Row, SqliteDatabase } from "../../db/sqlite.ts";
import type { StepIdentity } from "../../record/step.ts";
import type { WaitingReason } from "../../record/task.ts";
import type { OpenWait } from "../../record/open-wait.ts";
import { identityFromRow } from "./journal.ts";

/** What a run waits for: an instant, a signal, or the end of another task. */
export interface StoredWait extends StepIdentity {
  /** lh_run.serial. */
  readonly run: number;
  readonly number: number;
  readonly reason: WaitingReason;
  readonly sinceAtMs: number;
  readonly dueAtMs: number | null;
  readonly signal: string | null;
  readonly childTaskId: string | null;
}

export function insertWait(db: SqliteDatabase, wait: StoredWait): void {
  db.run(
    `INSERT INTO lh_wait (run, number, kind, name, occurrence, reason, since_at_ms, due_at_ms, signal, child_task_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    wait.run, wait.number, wait.kind, wait.name, wait.occurrence, wait.reason, wait.sinceAtMs, wait.dueAtMs, wait.signal, wait.childTaskId,
  );
}

export function deleteWait(db: SqliteDatabase, wait: StoredWait): void {
  db.run("DELETE FROM lh_wait WHERE run = ? AND kind = ? AND name = ? AND occurrence = ?", wait.run, wait.kind, wait.name, wait.occurrence);
}

export function listWaits(db: SqliteDatabase, run: number): readonly StoredWait[] {
  return db.all("SELECT * FROM lh_wait WHERE run = ? ORDER BY number", run).map((row) => waitFromRow(row));
}

export function listDueWaits(db: SqliteDatabase, atMs: number, limit: number): readonly StoredWait[] {
  return db.all("SELECT * FROM lh_wait WHERE due_at_ms <= ? ORDER BY due_at_ms, run, number LIMIT 0 + ?", atMs, limit).map((row) => waitFromRow(row));
}

/** Who waits for the end of this task. */
export function listWaitsForTask(db: SqliteDatabase, taskId: string): readonly StoredWait[] {
  return db.all("SELECT * FROM lh_wait WHERE child_task_id = ? ORDER BY run, number", taskId).map((row) => waitFromRow(row));
}

/** Waits of any run for this reason, oldest first: for people. */
export function listWaitsFor(db: SqliteDatabase, reason: WaitingReason): readonly OpenWait[] {
  const rows = db.all("SELECT lh_run.id, signal, since_at_ms, due_at_ms FROM lh_wait JOIN lh_run ON lh_run.serial = lh_wait.run WHERE reason = ? ORDER BY since_at_ms, run, lh_wait.number", reason);
  return rows.map((row) => ({ runId: String(row["id"]), signal: typeof row["signal"] === "string" ? row["signal"] : null, sinceAtMs: Number(row["since_at_ms"]), dueAtMs: typeof row["due_at_ms"] === "number" ? row["due_at_ms"] : null }));
}

export function nextWaitInstantMs(db: SqliteDatabase): number | null {
  const at = db.get("SELECT min(due_at_ms) AS at FROM lh_wait WHERE due_at_ms IS NOT NULL")?.["at"];
  return typeof at === "number" ? at : null;
}

/** A run that has ended waits for nothing and takes no signal. */
export function forgetWaits(db: SqliteDatabase, run: number): void {
  db.run("DELETE FROM lh_wait WHERE run = ?", run);
  db.run("DELETE FROM lh_signal WHERE run = ?", run);
}

export function hasSignal(db: SqliteDatabase, run: number, id: string): boolean {
  return db.get("SELECT 1 FROM lh_signal WHERE run = ? AND id = ?", run, id) !== undefined;
}

export function countSignals(db: SqliteDatabase, run: number): number {
  return Number(db.get("SELECT count(*) AS n FROM lh_signal WHERE run = ? AND consumed = 0", run)?.["n"] ?? 0);
}

export function insertSignal(db: SqliteDatabase, signal: { readonly run: number; readonly id: string; readonly name: string; readonly payload: Json; readonly consumed: boolean }): void {
  db.run("INSERT INTO lh_signal (run, id, name, payload, consumed) VALUES (?, ?, ?, ?, ?)", signal.run, signal.id, signal.name, storeJson(db, JSON.stringify(signal.payload)), signal.consumed ? 1 : 0);
}

/** The oldest signal of this name that no wait has taken, null when there is none. It is taken. */
export function takeSignal(db: SqliteDatabase, run: number, name: string): { readonly payload: Json } | null {
  const row = db.get("SELECT id, payload FROM lh_signal WHERE run = ? AND name = ? AND consumed = 0 ORDER BY position LIMIT 1", run, name);
  if (row === undefined) return null;
  db.run("UPDATE lh_signal SET consumed = 1, payload = 'null' WHERE run = ? AND id = ?", run, String(row["id"]));
  return { payload: loadJson(db, String(row["payload"])) };
}

function waitFromRow(row: Row): StoredWait {
  return {
    ...identityFromRow(row),
    run: Number(row["run"]),
    number: Number(row["number"]),
    reason: row["reason"] as WaitingReason,
    sinceAtMs: Number(row["since_at_ms"]),
    dueAtMs: typeof row["due_at_ms"] === "number" ? row["due_at_ms"] : null,
    signal: typeof row["signal"] === "string" ? row["signal"] : null,
    childTaskId: typeof row["child_task_id"] === "string" ? row["child_task_id"] : null,
  };
}
