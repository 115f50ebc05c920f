import type { Json } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/payload.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { EffectLedger, EffectState } from "../store.ts";

type Intent = Parameters<EffectLedger["intend"]>[0];

const insertIntent = `INSERT INTO lh_effect (key, state, tool_name, task_id, run_id, intended_at_ms) VALUES (?, 'intended', ?, ?, ?, ?)
  ON CONFLICT (key) DO NOTHING`;
const selectEffect = "SELECT state, intended_at_ms, result FROM lh_effect WHERE key = ?";
// The first result stays: a late second one belongs to an attempt that was superseded.
const complete = `INSERT INTO lh_effect (key, state, result) VALUES (?, 'completed', ?)
  ON CONFLICT (key) DO UPDATE SET state = 'completed', result = excluded.result WHERE state = 'intended'`;
const deleteIntent = "DELETE FROM lh_effect WHERE key = ? AND state = 'intended'";

/** Makes the intent if nobody has (S4), or tells what is known of the earlier one. */
export function intendEffect(db: SqliteDatabase, { key, toolName, taskId, runId, atMs }: Intent): EffectState {
  if (db.run(insertIntent, key, toolName, taskId, runId, atMs).changes === 1) return { state: "intended-now" };
  const row = db.get(selectEffect, key);
  if (row?.["state"] === "completed") return { state: "completed", result: loadJson(db, String(row["result"])) };
  return { state: "unknown", intendedAtMs: Number(row?.["intended_at_ms"]) };
}

export function isIntended(db: SqliteDatabase, key: string): boolean {
  return db.get("SELECT 1 FROM lh_effect WHERE key = ?", key) !== undefined;
}

export function completeEffect(db: SqliteDatabase, key: string, result: Json): void {
  db.run(complete, key, storeJson(db, JSON.stringify(result)));
}

/** Removes an intent. A completed effect stays what it is. */
export function withdrawEffect(db: SqliteDatabase, key: string): void {
  db.run(deleteIntent, key);
}
