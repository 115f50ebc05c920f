import { toIndexedText } from "../../db/postgres-text.ts";
import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import type { Write } from "../../record/write.ts";
import type { ForgetBefore } from "../store.ts";
import { dropWeeksBefore } from "./partitions.ts";

type TaskForgotten = Extract<Write, { readonly type: "task.forgotten" }>;

const dayMs = 86_400_000;

/** Rows of a table that satisfy a condition, at most as many as the last parameter says. */
const deleteSome = (table: string, condition: string): string => `DELETE FROM ${table} WHERE ctid = ANY (ARRAY (SELECT ctid FROM ${table} AS old WHERE ${condition} LIMIT $2 FOR UPDATE SKIP LOCKED))`;
const deleteNotifications = deleteSome("lh_outbox", "state <> 'waiting' AND at_ms < $1");
// As long as a task is known its total is, and what it was made of is shown with it.
const deleteReservations = deleteSome("lh_reservation", "at_ms < $1 AND NOT EXISTS (SELECT FROM lh_task_money WHERE task_id = old.task_id)");
const deleteHours = deleteSome("lh_usage_hour", "hour_ms < $1");
const deleteDays = deleteSome("lh_day_money", "day < $1");
const deleteKeys = deleteSome("lh_key", "expires_at_ms <= $1");

/** Forgets what is past its time: records by whole weeks, of the rest about so many rows. */
export async function forget(db: PostgresDatabase, { recordsMs, rollupsMs, keysMs }: ForgetBefore, rowsMax: number): Promise<number> {
  const { weeks, records } = await dropWeeksBefore(db, recordsMs);
  let rows = weeks + records;
  const due = [[deleteNotifications, recordsMs], [deleteReservations, recordsMs], [deleteHours, rollupsMs], [deleteDays, Math.floor(rollupsMs / dayMs)], [deleteKeys, keysMs]] as const;
  for (const [sql, before] of due) if (rows < rowsMax) rows += (await db.run(sql, before, rowsMax - rows)).changes;
  return rows;
}

/** What the store keeps for the sake of a run that may yet be executed. */
export async function forgetTask(tx: PostgresSession, { taskId, runIds, isWhole }: TaskForgotten): Promise<void> {
  // A key that is too long for an index keeps its beginning.
  for (const runId of runIds) await tx.run(`DELETE FROM lh_effect WHERE key COLLATE "C" >= $1 AND key COLLATE "C" < $2`, toIndexedText(`${runId}/`), toIndexedText(`${runId}0`));
  await tx.run(`DELETE FROM lh_progress_mark WHERE id COLLATE "C" >= $1 AND id COLLATE "C" < $2`, `${taskId}/`, `${taskId}0`);
  if (isWhole) await tx.run("DELETE FROM lh_task_money WHERE task_id = $1", taskId);
}

// A message that a transaction comes to refer to meanwhile is new, or was used within the hour.
const deleteMessages = `SET LOCAL statement_timeout = '1h';
  WITH RECURSIVE alive (id) AS (
    SELECT (regexp_matches(data, '"transcript":"([^"]+)"', 'g'))[1] FROM lh_record WHERE event_type = 'model_call'
    UNION SELECT parent_id FROM alive JOIN lh_message USING (id) WHERE parent_id IS NOT NULL)
  DELETE FROM lh_message WHERE id IN (SELECT old.id FROM lh_message AS old WHERE used_at < clock_timestamp() - interval '1 day' AND NOT EXISTS (SELECT FROM alive WHERE alive.id = old.id) FOR UPDATE SKIP LOCKED)`;

/** Deletes what was said in transcripts that no record names any more. Reads all records. */
export async function forgetMessages(db: PostgresDatabase): Promise<void> {
  await db.transaction((tx) => tx.exec(deleteMessages), { idempotent: true });
}

/** The columns of the store's tables that may refer to payloads. */
export const storePayloadColumns = { lh_record: ["tool_args", "data"], lh_message: ["content"], lh_effect: ["result"] } as const;
