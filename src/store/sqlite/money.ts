import { assert } from "../../base/assert.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { Write } from "../../record/write.ts";
import type { MoneyLedger, Reservation, ReserveAnswer, TaskSince, TaskSpent } from "../store.ts";

/*
 * A reservation is open, then settled (billed as told), lost (superseded, or its run was left: nobody knows, so its whole amount counts) or released (certainly not billed).
 * What is learned later wins over `lost`: a settlement or a release still closes it. A settlement is final.
 */
type Settlement = Extract<Write, { readonly type: "money.settle" }>;
type SpentFilter = Parameters<MoneyLedger["spent"]>[0];
type Spent = Awaited<ReturnType<MoneyLedger["spent"]>>;

const dayMs = 86_400_000;

const selectReservation = "SELECT state, amount_micro_usd FROM lh_reservation WHERE id = ?";
const loseEarlier = "UPDATE lh_reservation SET state = 'lost' WHERE step_key = ? AND state = 'open' AND id <> ?";
const selectTaskTotal = "SELECT counted_micro_usd FROM lh_task_money WHERE task_id = ?";
const selectDayTotal = "SELECT counted_micro_usd FROM lh_day_money WHERE agent = ? AND day = ?";
const insertReservation = `INSERT INTO lh_reservation (id, step_key, agent, task_id, at_ms, day, state, amount_micro_usd, counted_micro_usd)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open', ?7, ?7)`;
const deleteReleased = "DELETE FROM lh_reservation WHERE id = ? AND state = 'released'";
const settle = "UPDATE lh_reservation SET state = 'settled', counted_micro_usd = ?2, tokens = ?3 WHERE id = ?1 AND state <> 'settled'";
const release = "UPDATE lh_reservation SET state = 'released', counted_micro_usd = 0 WHERE id = ? AND state IN ('open', 'lost')";
const loseOpen = "UPDATE lh_reservation SET state = 'lost' WHERE task_id = ? AND state = 'open'";
const selectSpent = `SELECT
    coalesce(sum(CASE WHEN state <> 'open' THEN counted_micro_usd END), 0) AS spent,
    coalesce(sum(CASE WHEN state = 'open' THEN counted_micro_usd END), 0) AS reserved,
    coalesce(sum(tokens), 0) AS tokens
  FROM lh_reservation`;
const spentByTask = `SELECT coalesce(sum(CASE WHEN state <> 'open' THEN counted_micro_usd END), 0) AS spent, coalesce(sum(tokens), 0) AS tokens
  FROM json_each(?) AS given LEFT JOIN lh_reservation ON task_id = given.value ->> 'taskId' AND at_ms >= given.value ->> 'sinceMs' GROUP BY given.key ORDER BY given.key`;

/** Sets the amount aside or names the limit that refuses it (S3). Exactly at a limit is allowed. */
export function reserveMoney(db: SqliteDatabase, reservation: Reservation): ReserveAnswer {
  const { id, stepKey, agent, taskId, atMs, amountMicroUsd } = reservation;
  assertAmount(amountMicroUsd, `reservation ${id}`);
  const earlier = db.get(selectReservation, id);
  assert(earlier?.["state"] !== "settled", `reservation ${id} was settled; another call needs another id`);
  if (earlier !== undefined && earlier["state"] !== "released") {
    assert(earlier["amount_micro_usd"] === amountMicroUsd, `reservation ${id} was made with ${String(earlier["amount_micro_usd"])} and again with ${amountMicroUsd}`);
    return { ok: true };
  }
  db.run(loseEarlier, stepKey, id);
  const refusal = findRefusal(db, reservation);
  if (refusal !== null) return refusal;
  db.run(deleteReleased, id);
  db.run(insertReservation, id, stepKey, agent, taskId, atMs, dayOf(atMs), amountMicroUsd);
  return { ok: true };
}

function findRefusal(db: SqliteDatabase, { agent, taskId, atMs, amountMicroUsd, perTaskMicroUsd, perDayMicroUsd }: Reservation): ReserveAnswer | null {
  const taskMicroUsd = totalOf(db, selectTaskTotal, taskId);
  if (taskMicroUsd + amountMicroUsd > perTaskMicroUsd) {
    return { ok: false, limit: "task", limitMicroUsd: perTaskMicroUsd, usedMicroUsd: taskMicroUsd, resetsAtMs: null };
  }
  const day = dayOf(atMs);
  const dayMicroUsd = totalOf(db, selectDayTotal, agent, day);
  if (dayMicroUsd + amountMicroUsd > perDayMicroUsd) {
    return { ok: false, limit: "day", limitMicroUsd: perDayMicroUsd, usedMicroUsd: dayMicroUsd, resetsAtMs: amountMicroUsd > perDayMicroUsd ? null : (day + 1) * dayMs };
  }
  return null;
}

/** Closes a reservation with what was billed, also when that is more than was set aside. It counts on the day of the reservation. */
export function settleMoney(db: SqliteDatabase, { reservationId, spentMicroUsd, tokens }: Settlement): void {
  assertAmount(spentMicroUsd, `settlement of ${reservationId}`);
  assertReserved(db, reservationId);
  db.run(settle, reservationId, spentMicroUsd, tokens);
}

export function releaseMoney(db: SqliteDatabase, reservationId: string): void {
  assertReserved(db, reservationId);
  db.run(release, reservationId);
}

/** Closes what a task has set aside and will not settle: its run ended, or was interrupted, during the call. */
export function loseMoneyOfTask(db: SqliteDatabase, taskId: string): void {
  db.run(loseOpen, taskId);
}

/** What is settled or lost counts as spent, what is open as reserved. `sinceMs` is inclusive and means when the money was reserved. */
export function selectSpentMoney(db: SqliteDatabase, { agent, taskId, sinceMs }: SpentFilter): Spent {
  const conditions: (readonly [string, string | number])[] = [];
  if (agent !== undefined) conditions.push(["agent = ?", agent]);
  if (taskId !== undefined) conditions.push(["task_id = ?", taskId]);
  if (sinceMs !== undefined) conditions.push(["at_ms >= ?", sinceMs]);
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map(([sql]) => sql).join(" AND ")}`;
  const row = db.get(selectSpent + where, ...conditions.map(([, value]) => value));
  return { spentMicroUsd: Number(row?.["spent"]), reservedMicroUsd: Number(row?.["reserved"]), tokens: Number(row?.["tokens"]) };
}

export function selectSpentByTask(db: SqliteDatabase, tasks: readonly TaskSince[]): readonly TaskSpent[] {
  const given = tasks.map(({ taskId, sinceMs }) => ({ taskId, sinceMs }));
  return db.all(spentByTask, JSON.stringify(given)).map((row) => ({ spentMicroUsd: Number(row["spent"]), tokens: Number(row["tokens"]) }));
}

function totalOf(db: SqliteDatabase, sql: string, ...names: readonly (string | number)[]): number {
  return Number(db.get(sql, ...names)?.["counted_micro_usd"] ?? 0);
}

function dayOf(atMs: number): number {
  return Math.floor(atMs / dayMs);
}

function assertAmount(microUsd: number, what: string): void {
  assert(Number.isSafeInteger(microUsd) && microUsd >= 0, `${what} is ${microUsd}, not a whole number of millionths of a dollar`);
}

function assertReserved(db: SqliteDatabase, id: string): void {
  assert(db.get(selectReservation, id), `no money was reserved as ${id}`);
}
