import { assert } from "../../base/assert.ts";
import { toIndexedText, toRecordset } from "../../db/postgres-text.ts";
import type { PostgresSession, PostgresValue } from "../../db/postgres.ts";
import type { Write } from "../../record/write.ts";
import type { MoneyLedger, Reservation, ReserveAnswer, TaskSince, TaskSpent } from "../store.ts";

/*
 * A reservation is open, then settled (billed as told), lost (superseded, or its run was left: nobody knows, so its whole amount counts) or released (certainly not billed).
 * What is learned later wins over `lost`: a settlement or a release still closes it. A settlement is final.
 * Whoever changes what tasks or days count locks their rows first, the tasks' before the days': so a limit is checked against what nobody changes meanwhile,
 * and two never wait for each other crosswise.
 */
type Settlement = Extract<Write, { readonly type: "money.settle" }>;
type SpentFilter = Parameters<MoneyLedger["spent"]>[0];
type Spent = Awaited<ReturnType<MoneyLedger["spent"]>>;

const dayMs = 86_400_000;

const lockTask = `INSERT INTO lh_task_money AS total (task_id, counted_micro_usd) VALUES ($1, 0)
  ON CONFLICT (task_id) DO UPDATE SET counted_micro_usd = total.counted_micro_usd RETURNING counted_micro_usd`;
const lockDay = `INSERT INTO lh_day_money AS total (agent, day, counted_micro_usd) VALUES ($1, $2, 0)
  ON CONFLICT (agent, day) DO UPDATE SET counted_micro_usd = total.counted_micro_usd RETURNING counted_micro_usd`;
const selectReservation = "SELECT state, amount_micro_usd, task_id, agent, day FROM lh_reservation WHERE id = $1";
const loseEarlier = "UPDATE lh_reservation SET state = 'lost' WHERE step_key = $1 AND state = 'open' AND id <> $2";
const insertReservation = `INSERT INTO lh_reservation (id, step_key, agent, task_id, at_ms, day, state, amount_micro_usd, counted_micro_usd)
  VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $7)`;
const deleteReleased = "DELETE FROM lh_reservation WHERE id = $1 AND state = 'released'";
const settle = "UPDATE lh_reservation SET state = 'settled', counted_micro_usd = $2, tokens = $3 WHERE id = $1 AND state <> 'settled'";
const release = "UPDATE lh_reservation SET state = 'released', counted_micro_usd = 0 WHERE id = $1 AND state IN ('open', 'lost')";
const loseOpen = "UPDATE lh_reservation SET state = 'lost' WHERE task_id = ANY ($1) AND state = 'open'";
const selectSpent = `SELECT
    coalesce(sum(counted_micro_usd) FILTER (WHERE state <> 'open'), 0)::float8 AS spent,
    coalesce(sum(counted_micro_usd) FILTER (WHERE state = 'open'), 0)::float8 AS reserved,
    coalesce(sum(tokens), 0)::float8 AS tokens
  FROM lh_reservation`;
const spentByTask = `SELECT coalesce(sum(counted_micro_usd) FILTER (WHERE state <> 'open'), 0)::float8 AS spent, coalesce(sum(tokens), 0)::float8 AS tokens
  FROM json_to_recordset($1::json) AS given (at int, task text, since_ms int8) LEFT JOIN lh_reservation ON task_id = task AND at_ms >= since_ms GROUP BY at ORDER BY at`;

/** Sets the amount aside or names the limit that refuses it (S3). Exactly at a limit is allowed. */
export async function reserveMoney(tx: PostgresSession, reservation: Reservation): Promise<ReserveAnswer> {
  const { id, stepKey, agent, taskId, atMs, amountMicroUsd } = reservation;
  assertAmount(amountMicroUsd, `reservation ${id}`);
  const day = dayOf(atMs);
  const counted = await lockTotals(tx, taskId, agent, day);
  const earlier = await tx.get(selectReservation, toIndexedText(id));
  assert(earlier?.["state"] !== "settled", `reservation ${id} was settled; another call needs another id`);
  if (earlier !== undefined && earlier["state"] !== "released") {
    assert(earlier["amount_micro_usd"] === amountMicroUsd, `reservation ${id} was made with ${String(earlier["amount_micro_usd"])} and again with ${amountMicroUsd}`);
    return { ok: true };
  }
  await tx.run(loseEarlier, toIndexedText(stepKey), toIndexedText(id));
  const refusal = findRefusal(reservation, counted);
  if (refusal !== null) return refusal;
  if (earlier !== undefined) await tx.run(deleteReleased, toIndexedText(id));
  await tx.run(insertReservation, toIndexedText(id), toIndexedText(stepKey), agent, taskId, atMs, day, amountMicroUsd);
  return { ok: true };
}

interface Totals {
  readonly taskMicroUsd: number;
  readonly dayMicroUsd: number;
}

/** What the task and the day of the agent count, which nobody else changes until the commit. */
async function lockTotals(tx: PostgresSession, taskId: string, agent: string, day: number): Promise<Totals> {
  const task = await tx.get(lockTask, taskId);
  const ofDay = await tx.get(lockDay, agent, day);
  return { taskMicroUsd: Number(task?.["counted_micro_usd"]), dayMicroUsd: Number(ofDay?.["counted_micro_usd"]) };
}

function findRefusal({ atMs, amountMicroUsd, perTaskMicroUsd, perDayMicroUsd }: Reservation, { taskMicroUsd, dayMicroUsd }: Totals): ReserveAnswer | null {
  if (taskMicroUsd + amountMicroUsd > perTaskMicroUsd) {
    return { ok: false, limit: "task", limitMicroUsd: perTaskMicroUsd, usedMicroUsd: taskMicroUsd, resetsAtMs: null };
  }
  if (dayMicroUsd + amountMicroUsd > perDayMicroUsd) {
    return { ok: false, limit: "day", limitMicroUsd: perDayMicroUsd, usedMicroUsd: dayMicroUsd, resetsAtMs: amountMicroUsd > perDayMicroUsd ? null : (dayOf(atMs) + 1) * dayMs };
  }
  return null;
}

/** Closes reservations with what was billed, also when that is more than was set aside. It counts on the day of the reservation. */
export async function settleMoney(tx: PostgresSession, settlements: readonly Settlement[]): Promise<void> {
  for (const { reservationId, spentMicroUsd } of settlements) assertAmount(spentMicroUsd, `settlement of ${reservationId}`);
  await lockReserved(tx, settlements.map(({ reservationId }) => reservationId));
  for (const { reservationId, spentMicroUsd, tokens } of settlements) await tx.run(settle, toIndexedText(reservationId), spentMicroUsd, tokens);
}

export async function releaseMoney(tx: PostgresSession, reservationId: string): Promise<void> {
  await lockReserved(tx, [reservationId]);
  await tx.run(release, toIndexedText(reservationId));
}

/** Closes what tasks have set aside and will not settle: their runs ended, or were interrupted, during the call. */
export async function loseMoneyOfTasks(tx: PostgresSession, taskIds: readonly string[]): Promise<void> {
  await tx.run(loseOpen, taskIds);
}

/** What is settled or lost counts as spent, what is open as reserved. `sinceMs` is inclusive and means when the money was reserved. */
export async function selectSpentMoney(session: PostgresSession, { agent, taskId, sinceMs }: SpentFilter): Promise<Spent> {
  const conditions: (readonly [string, PostgresValue])[] = [];
  if (agent !== undefined) conditions.push(["agent =", agent]);
  if (taskId !== undefined) conditions.push(["task_id =", taskId]);
  if (sinceMs !== undefined) conditions.push(["at_ms >=", sinceMs]);
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map(([sql], index) => `${sql} $${index + 1}`).join(" AND ")}`;
  const row = await session.get(selectSpent + where, ...conditions.map(([, value]) => value));
  return { spentMicroUsd: Number(row?.["spent"]), reservedMicroUsd: Number(row?.["reserved"]), tokens: Number(row?.["tokens"]) };
}

export async function selectSpentByTask(session: PostgresSession, tasks: readonly TaskSince[]): Promise<readonly TaskSpent[]> {
  const rows = await session.all(spentByTask, toRecordset(tasks.map(({ taskId, sinceMs }, at) => ({ at, task: taskId, since_ms: sinceMs }))));
  return rows.map((row) => ({ spentMicroUsd: Number(row["spent"]), tokens: Number(row["tokens"]) }));
}

function dayOf(atMs: number): number {
  return Math.floor(atMs / dayMs);
}

function assertAmount(microUsd: number, what: string): void {
  assert(Number.isSafeInteger(microUsd) && microUsd >= 0, `${what} is ${microUsd}, not a whole number of millionths of a dollar`);
}

/** Locks what the reservations count in: all tasks, then all days, each kind in the order of its names. */
async function lockReserved(tx: PostgresSession, ids: readonly string[]): Promise<void> {
  const tasks = new Set<string>();
  const days = new Map<string, readonly [agent: string, day: number]>();
  for (const id of ids) {
    const row = await tx.get(selectReservation, toIndexedText(id));
    assert(row !== undefined, `no money was reserved as ${id}`);
    const [agent, day] = [String(row["agent"]), Number(row["day"])];
    tasks.add(String(row["task_id"]));
    days.set(`${agent} ${day}`, [agent, day]);
  }
  for (const task of [...tasks].toSorted()) await tx.get(lockTask, task);
  for (const [, [agent, day]] of [...days].toSorted(([a], [b]) => (a < b ? -1 : 1))) await tx.get(lockDay, agent, day);
}
