import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import { lockPositions } from "./records.ts";

/*
 * Records lie in one table a week. The weeks are counted from the epoch, and a table is named by the day on which its week begins: lh_record_20260115.
 * Weeks, not days: every query looks at each table that it cannot rule out, and 30 days are 6 of them. Retention is rounded up to a week.
 */
const weekMs = 7 * 86_400_000;
const weeksAhead = 2;
const deletedAtOnce = 10_000;

/** What `dropRecordsBefore` removed: whole weeks, and single records that lay in none. */
export interface DroppedRecords {
  readonly weeks: number;
  readonly records: number;
}

const selectWeeks = `SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
  WHERE inhparent = to_regclass('lh_record') AND relname ~ '^lh_record_[0-9]{8}$' ORDER BY relname`;

/** Makes the tables of the week of `nowMs` and the two weeks after it, where they are missing. Safe with several processes at once. */
export async function prepareWeeks(db: PostgresDatabase, nowMs: number): Promise<void> {
  const known = await listWeeks(db);
  const first = Math.floor(nowMs / weekMs) * weekMs;
  for (let startAtMs = first; startAtMs <= first + weeksAhead * weekMs; startAtMs += weekMs) {
    if (!known.includes(nameOf(startAtMs))) await db.transaction((tx) => createWeek(tx, startAtMs), { idempotent: true });
  }
}

const rollUp = (table: string): string => `INSERT INTO lh_usage_hour AS hour (hour_ms, agent_id, model_calls, tool_calls, tool_errors, tokens, cost_micro_usd)
  SELECT at_ms - at_ms % 3600000, agent_id, count(*) FILTER (WHERE event_type = 'model_call'), count(*) FILTER (WHERE event_type = 'tool_call'), count(*) FILTER (WHERE event_type = 'tool_call' AND result = 'error'),
    coalesce(sum(tokens_used), 0), coalesce(sum(cost_micro_usd), 0)
  FROM ${table} WHERE event_type IN ('model_call', 'tool_call') AND agent_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (hour_ms, agent_id) DO UPDATE SET model_calls = hour.model_calls + excluded.model_calls, tool_calls = hour.tool_calls + excluded.tool_calls, tool_errors = hour.tool_errors + excluded.tool_errors,
    tokens = hour.tokens + excluded.tokens, cost_micro_usd = hour.cost_micro_usd + excluded.cost_micro_usd`;

const deleteOld = `WITH old AS (DELETE FROM lh_record_default WHERE ctid = ANY (ARRAY (SELECT ctid FROM lh_record_default WHERE at_ms < $1 LIMIT ${deletedAtOnce})) RETURNING *),
  counted AS (${rollUp("old")} RETURNING 1)
  SELECT (SELECT count(*) FROM old) AS deleted, (SELECT count(*) FROM counted) AS counted`;

/** Drops each week that ended by `ms`, and deletes what is older among the records that lie in no week. What they counted goes to the hours in the same transaction. */
export async function dropWeeksBefore(db: PostgresDatabase, ms: number): Promise<DroppedRecords> {
  const ended = (await listWeeks(db)).filter((name) => startOf(name) + weekMs <= ms);
  for (const name of ended) await db.transaction((tx) => dropWeek(tx, name), { idempotent: true });
  let records = 0;
  for (let deleted = deletedAtOnce; deleted === deletedAtOnce; records += deleted) deleted = Number((await db.get(deleteOld, ms))?.["deleted"]);
  return { weeks: ended.length, records };
}

/** Whoever writes records waits: what comes for this week after that lies in no week. */
async function dropWeek(tx: PostgresSession, name: string): Promise<void> {
  await tx.run(lockPositions);
  if (!(await listWeeks(tx)).includes(name)) return;
  await tx.run(rollUp(name));
  await tx.exec(`DROP TABLE ${name}`);
}

async function listWeeks(session: PostgresSession): Promise<readonly string[]> {
  return (await session.all(selectWeeks)).map((row) => String(row["relname"]));
}

/**
 * The lock of the positions keeps out whoever writes records, and whoever makes a week too: a record that found its way to the default table before the week
 * was attached, and came there after, would be refused.
 */
async function createWeek(tx: PostgresSession, startAtMs: number): Promise<void> {
  const name = nameOf(startAtMs);
  const endAtMs = startAtMs + weekMs;
  await tx.run(lockPositions);
  if ((await listWeeks(tx)).includes(name)) return;
  await tx.exec(`
    CREATE TABLE ${name} (LIKE lh_record INCLUDING ALL);
    WITH moved AS (DELETE FROM lh_record_default WHERE at_ms >= ${startAtMs} AND at_ms < ${endAtMs} RETURNING *) INSERT INTO ${name} SELECT * FROM moved;
    ALTER TABLE lh_record ATTACH PARTITION ${name} FOR VALUES FROM (${startAtMs}) TO (${endAtMs})`);
}

function nameOf(startAtMs: number): string {
  return `lh_record_${new Date(startAtMs).toISOString().slice(0, 10).replaceAll("-", "")}`;
}

function startOf(name: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(day));
}
