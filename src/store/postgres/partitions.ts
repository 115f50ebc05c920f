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
const deleteOld = `DELETE FROM lh_record_default WHERE ctid = ANY (ARRAY (SELECT ctid FROM lh_record_default WHERE at_ms < $1 LIMIT ${deletedAtOnce}))`;

/** Makes the tables of the week of `nowMs` and the two weeks after it, where they are missing. Safe with several processes at once. */
export async function prepareWeeks(db: PostgresDatabase, nowMs: number): Promise<void> {
  const known = await listWeeks(db);
  const first = Math.floor(nowMs / weekMs) * weekMs;
  for (let startAtMs = first; startAtMs <= first + weeksAhead * weekMs; startAtMs += weekMs) {
    if (!known.includes(nameOf(startAtMs))) await db.transaction((tx) => createWeek(tx, startAtMs), { idempotent: true });
  }
}

/** Drops each week that ended by `ms`, and deletes what is older among the records that lie in no week. */
export async function dropWeeksBefore(db: PostgresDatabase, ms: number): Promise<DroppedRecords> {
  const ended = (await listWeeks(db)).filter((name) => startOf(name) + weekMs <= ms);
  for (const name of ended) await db.exec(`DROP TABLE IF EXISTS ${name}`);
  let records = 0;
  for (let deleted = deletedAtOnce; deleted === deletedAtOnce; records += deleted) deleted = (await db.run(deleteOld, ms)).changes;
  return { weeks: ended.length, records };
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
