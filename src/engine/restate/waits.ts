import type { Json } from "../../base/json.ts";
import { loadJson } from "../../db/postgres-payload.ts";
import type { PostgresRow, PostgresSession } from "../../db/postgres.ts";
import type { StepIdentity } from "../../record/step.ts";
import type { WaitingReason } from "../../record/task.ts";
import type { OpenWait } from "../../record/open-wait.ts";
import { identityFromRow } from "./journal.ts";
import { numberOrNull, storeOne, textOrNull } from "./tasks.ts";

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
  /** What tells the activation that asked last. */
  readonly awakeable: string | null;
}

export async function insertWait(db: PostgresSession, wait: StoredWait): Promise<void> {
  await db.run(
    "INSERT INTO lh_wait (run, number, kind, name, occurrence, reason, since_at_ms, due_at_ms, signal, child_task_id, awakeable) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    wait.run, wait.number, wait.kind, wait.name, wait.occurrence, wait.reason, wait.sinceAtMs, wait.dueAtMs, wait.signal, wait.childTaskId, wait.awakeable,
  );
}

/** Another activation asks for a wait that is stored. False when it is not. */
export async function takeOverWait(db: PostgresSession, run: number, { kind, name, occurrence }: StepIdentity, awakeable: string): Promise<boolean> {
  return (await db.run("UPDATE lh_wait SET awakeable = $5 WHERE run = $1 AND kind = $2 AND name = $3 AND occurrence = $4", run, kind, name, occurrence, awakeable)).changes > 0;
}

/** Removes a wait and returns it as it was last: another activation may have asked for it since it was read. Null when somebody else has ended it. */
export async function takeWait(db: PostgresSession, { run, kind, name, occurrence }: Pick<StoredWait, "run" | keyof StepIdentity>): Promise<StoredWait | null> {
  const row = await db.get("DELETE FROM lh_wait WHERE run = $1 AND kind = $2 AND name = $3 AND occurrence = $4 RETURNING *", run, kind, name, occurrence);
  return row === undefined ? null : waitFromRow(row);
}

export async function listWaits(db: PostgresSession, run: number): Promise<readonly StoredWait[]> {
  return (await db.all("SELECT * FROM lh_wait WHERE run = $1 ORDER BY number", run)).map((row) => waitFromRow(row));
}

/** Waits whose time has come, behind this one in their order. */
export async function listDueWaits(db: PostgresSession, atMs: number, after: StoredWait | null, limit: number): Promise<readonly StoredWait[]> {
  const rows = await db.all(
    "SELECT * FROM lh_wait WHERE due_at_ms <= $1 AND due_at_ms >= $2 AND (due_at_ms > $2 OR (run, number) > ($3, $4)) ORDER BY due_at_ms, run, number LIMIT $5",
    atMs, after?.dueAtMs ?? Number.MIN_SAFE_INTEGER, after?.run ?? 0, after?.number ?? 0, limit,
  );
  return rows.map((row) => waitFromRow(row));
}

/** Who waits for the end of this task. */
export async function listWaitsForTask(db: PostgresSession, taskId: string): Promise<readonly StoredWait[]> {
  return (await db.all("SELECT * FROM lh_wait WHERE child_task_id = $1 ORDER BY run, number", taskId)).map((row) => waitFromRow(row));
}

/** Waits of any run for this reason, oldest first: for people. */
export async function listWaitsFor(db: PostgresSession, reason: WaitingReason): Promise<readonly OpenWait[]> {
  const rows = await db.all("SELECT lh_run.id, signal, since_at_ms, due_at_ms FROM lh_wait JOIN lh_run ON lh_run.serial = lh_wait.run WHERE reason = $1 ORDER BY since_at_ms, run, lh_wait.number", reason);
  return rows.map((row) => ({ runId: String(row["id"]), signal: textOrNull(row["signal"]), sinceAtMs: Number(row["since_at_ms"]), dueAtMs: numberOrNull(row["due_at_ms"]) }));
}

export async function nextWaitInstantMs(db: PostgresSession): Promise<number | null> {
  return numberOrNull((await db.get("SELECT min(due_at_ms) AS at FROM lh_wait WHERE due_at_ms IS NOT NULL"))?.["at"]);
}

/** A run that has ended waits for nothing and takes no signal. */
export async function forgetWaits(db: PostgresSession, run: number): Promise<void> {
  await db.run("DELETE FROM lh_wait WHERE run = $1", run);
  await db.run("DELETE FROM lh_signal WHERE run = $1", run);
}

export async function hasSignal(db: PostgresSession, run: number, id: string): Promise<boolean> {
  return (await db.get("SELECT 1 AS one FROM lh_signal WHERE run = $1 AND id = $2", run, id)) !== undefined;
}

export async function countSignals(db: PostgresSession, run: number): Promise<number> {
  return Number((await db.get("SELECT count(*) AS n FROM lh_signal WHERE run = $1 AND NOT consumed", run))?.["n"] ?? 0);
}

export async function insertSignal(db: PostgresSession, signal: { readonly run: number; readonly id: string; readonly name: string; readonly payload: Json; readonly consumed: boolean }): Promise<void> {
  const payload = await storeOne(db, JSON.stringify(signal.payload));
  await db.run("INSERT INTO lh_signal (run, id, name, payload, consumed) VALUES ($1, $2, $3, $4, $5)", signal.run, signal.id, signal.name, payload, signal.consumed);
}

/** The oldest signal of this name that no wait has taken, null when there is none. It is taken. */
export async function takeSignal(db: PostgresSession, run: number, name: string): Promise<{ readonly payload: Json } | null> {
  const row = await db.get("SELECT id, payload FROM lh_signal WHERE run = $1 AND name = $2 AND NOT consumed ORDER BY position LIMIT 1", run, name);
  if (row === undefined) return null;
  await db.run("UPDATE lh_signal SET consumed = true, payload = 'null' WHERE run = $1 AND id = $2", run, String(row["id"]));
  return { payload: (await loadJson(db, [String(row["payload"])]))[0] ?? null };
}

function waitFromRow(row: PostgresRow): StoredWait {
  return {
    ...identityFromRow(row),
    run: Number(row["run"]),
    number: Number(row["number"]),
    reason: row["reason"] as WaitingReason,
    sinceAtMs: Number(row["since_at_ms"]),
    dueAtMs: numberOrNull(row["due_at_ms"]),
    signal: textOrNull(row["signal"]),
    childTaskId: textOrNull(row["child_task_id"]),
    awakeable: textOrNull(row["awakeable"]),
  };
}
