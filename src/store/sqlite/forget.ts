import { isJsonObject } from "../../base/json.ts";
import { loadJson } from "../../db/payload.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { Write } from "../../record/write.ts";
import type { ForgetBefore } from "../store.ts";

type TaskForgotten = Extract<Write, { readonly type: "task.forgotten" }>;

const dayMs = 86_400_000;
/** Keys that are looked at in one pass: so many take a few milliseconds. */
const keysLookedAtMax = 20_000;

/** Notifications that are looked at in one commit. */
const notificationsLookedAtMax = 2_000;

/*
 * Positions have the order of time as long as no clock was set, so old records are removed in runs of positions: few pages of the file are changed. Where a run
 * begins is looked up by time, in an index, a look for each kind of event: records of a time when the clock was ahead stand before others that are older.
 * The newest record stays: a position is never used a second time.
 */
const selectFirstOld = `WITH RECURSIVE kind (name) AS (
    SELECT min(event_type) FROM lh_record
    UNION ALL SELECT (SELECT min(event_type) FROM lh_record WHERE event_type > kind.name) FROM kind WHERE kind.name IS NOT NULL
  ) SELECT min((SELECT position FROM lh_record INDEXED BY lh_record_by_event WHERE event_type = kind.name AND at_ms < ?1 AND position < (SELECT max(position) FROM lh_record) ORDER BY at_ms LIMIT 1)) AS first
  FROM kind WHERE name IS NOT NULL`;
const selectOldRecords = `SELECT position, event_type, data FROM (SELECT position, at_ms, event_type, data FROM lh_record
    WHERE position >= ?3 AND position < (SELECT max(position) FROM lh_record) ORDER BY position LIMIT 0 + ?2) WHERE at_ms < ?1`;
// In the transaction that deletes them, each is counted once.
const rollUp = `INSERT INTO lh_usage_hour (hour_ms, agent_id, model_calls, tool_calls, tool_errors, tokens, cost_micro_usd)
  SELECT at_ms - at_ms % 3600000, agent_id, sum(event_type = 'model_call'), sum(event_type = 'tool_call'), sum(event_type = 'tool_call' AND result = 'error'), coalesce(sum(tokens_used), 0), coalesce(sum(cost_micro_usd), 0)
  FROM lh_record WHERE position BETWEEN ? AND ? AND at_ms < ? AND event_type IN ('model_call', 'tool_call') AND agent_id IS NOT NULL GROUP BY 1, 2
  ON CONFLICT (hour_ms, agent_id) DO UPDATE SET model_calls = model_calls + excluded.model_calls, tool_calls = tool_calls + excluded.tool_calls, tool_errors = tool_errors + excluded.tool_errors,
    tokens = tokens + excluded.tokens, cost_micro_usd = cost_micro_usd + excluded.cost_micro_usd`;
const deleteRecords = "DELETE FROM lh_record WHERE position BETWEEN ? AND ? AND at_ms < ?";
const selectLoose = `SELECT parent_id FROM lh_message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM lh_message AS next WHERE next.parent_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM lh_record WHERE event_type = 'model_call' AND CASE WHEN json_valid(data) THEN json_extract(data, '$.transcript') END = ?1)`;
const selectLastNotification = `SELECT max(position) AS position, count(*) AS n FROM (SELECT position FROM lh_outbox WHERE position > ? ORDER BY position LIMIT ${notificationsLookedAtMax})`;
const deleteNotifications = "DELETE FROM lh_outbox WHERE position IN (SELECT position FROM lh_outbox WHERE position > ? AND position <= ? AND state <> 'waiting' AND at_ms < ? LIMIT 0 + ?)";
// As long as a task is known its total is, and what it was made of is shown with it.
const deleteReservations = `DELETE FROM lh_reservation WHERE rowid IN (SELECT rowid FROM lh_reservation AS old WHERE at_ms < ?
    AND NOT EXISTS (SELECT 1 FROM lh_task_money WHERE task_id = old.task_id) LIMIT 0 + ?)`;
const deleteHours = "DELETE FROM lh_usage_hour WHERE (hour_ms, agent_id) IN (SELECT hour_ms, agent_id FROM lh_usage_hour WHERE hour_ms < ? LIMIT 0 + ?)";
const deleteDays = "DELETE FROM lh_day_money WHERE day < ?";
const selectLastKey = `SELECT max(key) AS key, count(*) AS n FROM (SELECT key FROM lh_key WHERE key > ? ORDER BY key LIMIT ${keysLookedAtMax})`;
const deleteKeys = "DELETE FROM lh_key WHERE key > ? AND key <= ? AND expires_at_ms <= ?";

/** Forgets what is past its time, about so many rows of it. One for each open store: it remembers how far it has looked through the keys and the notifications. */
export function createForgetting(): (db: SqliteDatabase, before: ForgetBefore, rowsMax: number) => number {
  let lastKey = "";
  let lastNotification = 0;
  const forgetNotifications = (db: SqliteDatabase, beforeMs: number, rowsMax: number): number => {
    const seen = db.get(selectLastNotification, lastNotification);
    if (seen?.["n"] === 0) {
      lastNotification = 0;
      return 0;
    }
    const last = Number(seen?.["position"]);
    const rows = db.run(deleteNotifications, lastNotification, last, beforeMs, rowsMax).changes;
    if (rows < rowsMax) lastNotification = seen?.["n"] === notificationsLookedAtMax ? last : 0;
    return rows;
  };
  return (db, before, rowsMax) => {
    let rows = forgetRecords(db, before.recordsMs, rowsMax);
    if (rows < rowsMax) rows += forgetNotifications(db, before.recordsMs, rowsMax - rows);
    if (rows < rowsMax) rows += db.run(deleteReservations, before.recordsMs, rowsMax - rows).changes;
    if (rows < rowsMax) rows += db.run(deleteHours, before.rollupsMs, rowsMax - rows).changes;
    if (rows > 0) return rows;
    rows = db.run(deleteDays, Math.floor(before.rollupsMs / dayMs)).changes;
    const seen = db.get(selectLastKey, lastKey);
    if (typeof seen?.["key"] === "string") rows += db.run(deleteKeys, lastKey, seen["key"], before.keysMs).changes;
    lastKey = seen?.["n"] === keysLookedAtMax ? String(seen["key"]) : "";
    return rows;
  };
}

function forgetRecords(db: SqliteDatabase, beforeMs: number, rowsMax: number): number {
  const first = db.get(selectFirstOld, beforeMs)?.["first"];
  if (typeof first !== "number") return 0;
  const old = db.all(selectOldRecords, beforeMs, rowsMax, first);
  const range = [Number(old[0]?.["position"]), Number(old.at(-1)?.["position"]), beforeMs] as const;
  const heads = old.flatMap((row) => (row["event_type"] === "model_call" ? headOf(db, String(row["data"])) : []));
  db.run(rollUp, ...range);
  let rows = db.run(deleteRecords, ...range).changes;
  for (const head of heads) rows += forgetTranscript(db, head);
  return rows;
}

function headOf(db: SqliteDatabase, text: string): readonly string[] {
  const data = loadJson(db, text);
  const head = isJsonObject(data) ? data["transcript"] : null;
  return typeof head === "string" ? [head] : [];
}

/** From its end back to what another transcript goes on from, or a record names. */
function forgetTranscript(db: SqliteDatabase, headId: string): number {
  let rows = 0;
  for (let id: string | null = headId; id !== null; rows++) {
    const loose = db.get(selectLoose, id);
    if (loose === undefined) break;
    db.run("DELETE FROM lh_message WHERE id = ?", id);
    id = loose["parent_id"] as string | null;
  }
  return rows;
}

/** What the store keeps for the sake of a run that may yet be executed. */
export function forgetTask(db: SqliteDatabase, { taskId, runIds, isWhole }: TaskForgotten): void {
  for (const runId of runIds) db.run("DELETE FROM lh_effect WHERE key >= ? AND key < ?", `${runId}/`, `${runId}0`);
  db.run("DELETE FROM lh_progress_mark WHERE id >= ? AND id < ?", `${taskId}/`, `${taskId}0`);
  if (isWhole) db.run("DELETE FROM lh_task_money WHERE task_id = ?", taskId);
}

/** The columns of the store's tables that may refer to payloads. */
export const storePayloadColumns = { lh_record: ["tool_args", "data"], lh_message: ["content"], lh_effect: ["result"] } as const;
