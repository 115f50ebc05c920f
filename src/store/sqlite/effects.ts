import type { Json } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/payload.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { EffectLedger, EffectState, RestoredDoubt } from "../store.ts";

type Intent = Parameters<EffectLedger["intend"]>[0];

/** A ledger that comes from a backup, put in place at `atMs` with rows up to `newestRow`. */
export interface RestoredLedger {
  readonly atMs: number;
  readonly newestRow: number;
  /** Why a call that it does not have may have been made all the same; null: it was not. */
  readonly doubtOf: (db: SqliteDatabase, intent: Intent) => RestoredDoubt | null;
}

const insertIntent = `INSERT INTO lh_effect (key, state, tool_name, task_id, run_id, intended_at_ms) VALUES (?, 'intended', ?, ?, ?, ?)
  ON CONFLICT (key) DO NOTHING`;
const selectEffect = "SELECT rowid, state, intended_at_ms, result FROM lh_effect WHERE key = ?";
// The first result stays: a late second one belongs to an attempt that was superseded.
const complete = `INSERT INTO lh_effect (key, state, result) VALUES (?, 'completed', ?)
  ON CONFLICT (key) DO UPDATE SET state = 'completed', result = excluded.result WHERE state = 'intended'`;
const deleteIntent = "DELETE FROM lh_effect WHERE key = ? AND state = 'intended'";
// Of a call that may have been made before a restore it stays known that it was not.
const withdrawIntent = "UPDATE lh_effect SET intended_at_ms = NULL WHERE key = ? AND state = 'intended'";
const renewIntent = "UPDATE lh_effect SET intended_at_ms = ? WHERE key = ? AND state = 'intended' AND intended_at_ms IS NULL";

/** Makes the intent if nobody has (S4), or tells what is known of the earlier one. */
export function intendEffect(db: SqliteDatabase, intent: Intent, restored: RestoredLedger | null): EffectState {
  const { key, toolName, taskId, runId, atMs } = intent;
  if (db.run(insertIntent, key, toolName, taskId, runId, atMs).changes === 1) {
    const doubt = restored?.doubtOf(db, intent) ?? null;
    return doubt === null ? { state: "intended-now" } : { state: "restored", ...doubt };
  }
  if (restored !== null && db.run(renewIntent, atMs, key).changes === 1) return { state: "intended-now" };
  const row = db.get(selectEffect, key);
  if (row?.["state"] === "completed") return { state: "completed", result: loadJson(db, String(row["result"])) };
  const intendedAtMs = Number(row?.["intended_at_ms"]);
  // An intent of after the restore may be one that was in doubt when the process died.
  const isSince = restored !== null && (Number(row?.["rowid"]) > restored.newestRow || intendedAtMs > restored.atMs);
  const doubt = isSince ? restored.doubtOf(db, intent) : null;
  return doubt === null ? { state: "unknown", intendedAtMs } : { state: "restored", ...doubt };
}

export function isIntended(db: SqliteDatabase, key: string): boolean {
  return db.get("SELECT 1 FROM lh_effect WHERE key = ? AND (state = 'completed' OR intended_at_ms IS NOT NULL)", key) !== undefined;
}

export function completeEffect(db: SqliteDatabase, key: string, result: Json): void {
  db.run(complete, key, storeJson(db, JSON.stringify(result)));
}

/** Removes an intent. A completed effect stays what it is. */
export function withdrawEffect(db: SqliteDatabase, key: string, restored: RestoredLedger | null): void {
  db.run(restored === null ? deleteIntent : withdrawIntent, key);
}
