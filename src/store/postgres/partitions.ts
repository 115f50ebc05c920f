import { LonghaulError } from "../../base/error.ts";
import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import { lockPositions } from "./records.ts";

/*
 * Records lie in one table a week. The weeks are counted from the epoch, and a table is named by the day on which its week begins: lh_record_20260115.
 * Weeks, not days: every query looks at each table that it cannot rule out, and 30 days are 6 of them. Retention is rounded up to a week.
 */
const weekMs = 7 * 86_400_000;
const weeksAhead = 2;
const deletedAtOnce = 10_000;

/**
 * Whoever reads a table keeps others from changing what it is part of, and whoever waits for that keeps all from writing records: nobody waits for longer than this. What is not
 * had by then, after several tries, is left for the next hour: records of a week that is not made lie in the default, and an old week stays for an hour more.
 */
const notForLong = "SET LOCAL lock_timeout = '100ms'";

/** What `dropRecordsBefore` removed: whole weeks, and single records that lay in none. */
export interface DroppedRecords {
  readonly weeks: number;
  readonly records: number;
}

const selectWeeks = `SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
  WHERE inhparent = to_regclass('lh_record') AND relname ~ '^lh_record_[0-9]{8}$' ORDER BY relname`;

/** Makes the tables of the week of `nowMs` and the two weeks after it, where they are missing and nobody is in the way. Safe with several processes at once. */
export async function prepareWeeks(db: PostgresDatabase, nowMs: number): Promise<void> {
  const known = await listWeeks(db);
  const first = Math.floor(nowMs / weekMs) * weekMs;
  for (let startAtMs = first; startAtMs <= first + weeksAhead * weekMs; startAtMs += weekMs) {
    if (!known.includes(nameOf(startAtMs))) await unlessInTheWay(db.transaction((tx) => createWeek(tx, startAtMs), { idempotent: true }));
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

/** Drops each week that ended by `ms` and in which nobody is in the way, and deletes what is older among the records that lie in no week. What they counted goes to the hours with them. */
export async function dropWeeksBefore(db: PostgresDatabase, ms: number): Promise<DroppedRecords> {
  const ended = (await listWeeks(db)).filter((name) => startOf(name) + weekMs <= ms);
  for (const name of ended) await unlessInTheWay(db.transaction((tx) => detachWeek(tx, name), { idempotent: true }));
  let weeks = 0;
  for (const name of await listDetached(db)) weeks += await db.transaction((tx) => dropDetached(tx, name), { idempotent: true });
  let records = 0;
  for (let deleted = deletedAtOnce; deleted === deletedAtOnce; records += deleted) deleted = Number((await db.get(deleteOld, ms))?.["deleted"]);
  return { weeks, records };
}

/** Takes a week out of the log: a moment, in which nobody reads or writes. What comes for it after that lies in no week. */
async function detachWeek(tx: PostgresSession, name: string): Promise<void> {
  await tx.exec(`${notForLong}; LOCK TABLE lh_record IN ACCESS EXCLUSIVE MODE`);
  if ((await listWeeks(tx)).includes(name)) await tx.exec(`ALTER TABLE lh_record DETACH PARTITION ${name}; ALTER TABLE ${name} RENAME TO ${detachedOf(name)}`);
}

/** Counts what nobody else sees any more, as long as that takes, and drops it. 0 when another process does. */
async function dropDetached(tx: PostgresSession, name: string): Promise<number> {
  const isMine = (await tx.get("SELECT pg_try_advisory_xact_lock(1819828324, hashtext(current_schema())) AS mine"))?.["mine"] === true;
  if (!isMine || !(await listDetached(tx)).includes(name)) return 0;
  await tx.exec(`SET LOCAL statement_timeout = '1h'; ${rollUp(name)}; DROP TABLE ${name}`);
  return 1;
}

async function unlessInTheWay(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof LonghaulError && error.code === "STORE_CONFLICT")) throw error;
  });
}

async function listDetached(session: PostgresSession): Promise<readonly string[]> {
  return (await session.all("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname ~ '^lh_detached_[0-9]{8}$' ORDER BY relname")).map((row) => String(row["relname"]));
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
  await tx.exec(notForLong);
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

function detachedOf(name: string): string {
  return name.replace("lh_record_", "lh_detached_");
}

function startOf(name: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(day));
}
