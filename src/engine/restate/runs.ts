import type { Json } from "../../base/json.ts";
import { toRecordset } from "../../db/postgres-text.ts";
import type { PostgresRow, PostgresSession } from "../../db/postgres.ts";
import { parseFailure, type Failure } from "../../record/failure.ts";
import type { Run } from "../../record/run.ts";
import type { StepIdentity } from "../../record/step.ts";
import type { RunPrefix } from "../engine.ts";
import { journalFormat, keyOf } from "../journaled-step.ts";
import { runUnknown } from "../refusal.ts";
import { addSeed, copySteps, readJournal } from "./journal.ts";
import { numberOrNull, textOrNull } from "./tasks.ts";

export interface StoredRun {
  /** What rows of the journal, waits and signals refer to. */
  readonly serial: number;
  readonly id: string;
  readonly taskId: string;
  readonly startedAtMs: number;
  /** When it was made; of one that was made by a skip, when the one before it was. */
  readonly begunAtMs: number;
  /** Crashes that interrupted this run. */
  readonly recoveries: number;
  readonly format: number;
  readonly agentVersion: string;
  readonly loopVersion: number;
  /** The run whose id its chance is drawn from, and the one whose id begins the idempotency keys of its steps. */
  readonly randomRunId: string;
  readonly keyRunId: string;
}

/** Begins runs of tasks of one agent. */
export async function insertRuns(db: PostgresSession, runs: readonly NewRun[], common: { readonly agentVersion: string; readonly loopVersion: number; readonly startedAtMs: number }): Promise<void> {
  if (runs.length === 0) return;
  await db.run(
    `INSERT INTO lh_run (id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version)
     SELECT new.id, new.task_id, 1 + (SELECT count(*) FROM lh_run AS earlier WHERE earlier.task_id = new.task_id), $2, $3, $3, 0, $4, $5 FROM json_to_recordset($1::json) AS new (id text, task_id text)`,
    toRecordset(runs.map(({ id, taskId }) => ({ id, task_id: taskId }))), common.agentVersion, common.startedAtMs, journalFormat, common.loopVersion,
  );
}

const runColumns = "*, coalesce(random_run_id, id) AS random_of, coalesce(key_run_id, id) AS key_of";

export async function getRun(db: PostgresSession, runId: string): Promise<StoredRun | null> {
  const row = await db.get(`SELECT ${runColumns} FROM lh_run WHERE id = $1`, runId);
  return row === undefined ? null : storedRunFromRow(runId, row);
}

/** A run, and what there is of it to be read: most runs that begin have nothing. */
export interface RunToBegin {
  readonly run: StoredRun;
  readonly hasSteps: boolean;
  readonly hasWaits: boolean;
  readonly hasSeed: boolean;
}

/** Those of them that there are, by their ids. */
export async function getRunsToBegin(db: PostgresSession, runIds: readonly string[]): Promise<ReadonlyMap<string, RunToBegin>> {
  const rows = await db.all(
    `SELECT ${runColumns}, EXISTS (SELECT FROM lh_journal WHERE run = lh_run.serial) OR EXISTS (SELECT FROM lh_told WHERE run = lh_run.serial) AS has_steps,
       EXISTS (SELECT FROM lh_wait WHERE run = lh_run.serial) AS has_waits, EXISTS (SELECT FROM lh_seed WHERE task_id = lh_run.task_id) AS has_seed FROM lh_run WHERE id = ANY ($1)`,
    runIds,
  );
  return new Map(rows.map((row) => {
    const run = storedRunFromRow(String(row["id"]), row);
    return [run.id, { run, hasSteps: row["has_steps"] === true, hasWaits: row["has_waits"] === true, hasSeed: row["has_seed"] === true }];
  }));
}

/** What an ended task and its run may leave to be seen to: most leave nothing. */
export async function listLeftBehind(db: PostgresSession, taskId: string, runId: string | null): Promise<{ readonly hasSeed: boolean; readonly isAwaited: boolean; readonly hasOpenEnds: boolean }> {
  const row = await db.get(
    `SELECT EXISTS (SELECT FROM lh_seed WHERE task_id = $1) AS has_seed, EXISTS (SELECT FROM lh_wait WHERE child_task_id = $1) AS is_awaited,
       EXISTS (SELECT FROM lh_task WHERE parent_run_id = $2 AND ended_at_ms IS NULL) OR EXISTS (SELECT FROM lh_run JOIN lh_wait ON lh_wait.run = lh_run.serial WHERE lh_run.id = $2)
         OR EXISTS (SELECT FROM lh_run JOIN lh_signal ON lh_signal.run = lh_run.serial WHERE lh_run.id = $2) AS has_open_ends`,
    taskId, runId,
  );
  return { hasSeed: row?.["has_seed"] === true, isAwaited: row?.["is_awaited"] === true, hasOpenEnds: row?.["has_open_ends"] === true };
}

/** The ids of those that leave nothing of that, and whose runs do. */
export async function listLeavingNothing(db: PostgresSession, tasks: readonly { readonly id: string; readonly runId: string | null }[]): Promise<ReadonlySet<string>> {
  const rows = await db.all(
    `SELECT task.id FROM unnest($1::text[], $2::text[]) AS task (id, run_id)
     WHERE NOT EXISTS (SELECT FROM lh_seed WHERE task_id = task.id) AND NOT EXISTS (SELECT FROM lh_wait WHERE child_task_id = task.id)
       AND NOT EXISTS (SELECT FROM lh_task WHERE parent_run_id = task.run_id AND ended_at_ms IS NULL) AND NOT EXISTS (SELECT FROM lh_run JOIN lh_wait ON lh_wait.run = lh_run.serial WHERE lh_run.id = task.run_id)
       AND NOT EXISTS (SELECT FROM lh_run JOIN lh_signal ON lh_signal.run = lh_run.serial WHERE lh_run.id = task.run_id)`,
    tasks.map(({ id }) => id), tasks.map(({ runId }) => runId),
  );
  return new Set(rows.map((row) => String(row["id"])));
}

function storedRunFromRow(runId: string, row: PostgresRow): StoredRun {
  return {
    serial: Number(row["serial"]), id: runId, taskId: String(row["task_id"]), startedAtMs: Number(row["started_at_ms"]), begunAtMs: Number(row["begun_at_ms"]), recoveries: Number(row["recoveries"]),
    format: Number(row["format"]), agentVersion: String(row["agent_version"]), loopVersion: Number(row["loop_version"]),
    randomRunId: String(row["random_of"]), keyRunId: String(row["key_of"]),
  };
}

/** Notes with which version the run goes on. */
export async function setRunVersion(db: PostgresSession, runId: string, version: string): Promise<void> {
  await db.run("UPDATE lh_run SET agent_version = $1 WHERE id = $2", version, runId);
}

export async function countRecovery(db: PostgresSession, runId: string): Promise<void> {
  await db.run("UPDATE lh_run SET recoveries = recoveries + 1 WHERE id = $1", runId);
}

/** Notes with which code the run could not go on, and why. */
export async function markParked(db: PostgresSession, runId: string, codeVersion: string, mismatch: Failure): Promise<void> {
  await db.run("UPDATE lh_run SET parked_version = $1, mismatch = $2 WHERE id = $3", codeVersion, JSON.stringify(mismatch), runId);
}

/** Why the run was parked when it was last tried; null when it never was. */
export async function getMismatch(db: PostgresSession, runId: string): Promise<Failure | null> {
  return parseMismatch((await db.get("SELECT mismatch FROM lh_run WHERE id = $1", runId))?.["mismatch"]);
}

/** The runs of a task, first to last. */
export async function listRuns(db: PostgresSession, taskId: string): Promise<readonly Run[]> {
  return (await db.all("SELECT * FROM lh_run WHERE task_id = $1 ORDER BY number", taskId)).map((row) => runFromRow(row));
}

/** The id of the task that a run belongs to, or belonged to; null when there is no such run. */
export async function getTaskIdOfRun(db: PostgresSession, runId: string): Promise<string | null> {
  return textOrNull((await db.get("SELECT task_id FROM lh_run WHERE id = $1", runId))?.["task_id"]);
}

/** A run that is about to be made from another one. */
export interface NewRun {
  readonly id: string;
  readonly taskId: string;
}

/** Begins a run with the steps of another that are numbered below `prefix.below`, as the port says. False, and nothing begins, when there are none. @throws {TASK_UNKNOWN} */
export async function insertForkedRun(db: PostgresSession, run: NewRun, { runId: fromRunId, below }: RunPrefix, atMs: number): Promise<boolean> {
  const from = await serialOf(db, fromRunId);
  const prefix = (await readJournal(db, from)).filter(({ number }) => number < below);
  if (prefix.length === 0) return false;
  const serial = await insertRunFrom(db, run, fromRunId, { begunAtMs: atMs, keysOf: null });
  await copySteps(db, serial, prefix.map((step, index) => (index === prefix.length - 1 ? { ...step, startedAtMs: atMs, completedAtMs: atMs } : step)));
  return true;
}

/** Begins the run that a parked one goes on with, as the port says of `skip`. */
export async function insertSkippedRun(db: PostgresSession, run: NewRun, parkedRunId: string, expected: StepIdentity): Promise<void> {
  const from = await serialOf(db, parkedRunId);
  const serial = await insertRunFrom(db, run, parkedRunId, { begunAtMs: null, keysOf: parkedRunId });
  const journal = await readJournal(db, from);
  const found = journal.findIndex((step) => keyOf(step) === keyOf(expected));
  // A wait that had not ended is in no journal: then all that ended came before it.
  const at = found === -1 ? journal.length : found;
  await copySteps(db, serial, journal.slice(0, at));
  await addSeed(db, run.taskId, journal.slice(at));
  // A time or a signal is asked for again: at the same time, since the run sees the times that it saw.
  await db.run("DELETE FROM lh_wait WHERE run = $1 AND child_task_id IS NULL", from);
  await db.run("UPDATE lh_wait SET run = $1 WHERE run = $2", serial, from);
  await db.run("UPDATE lh_signal SET run = $1 WHERE run = $2", serial, from);
  await db.run("WITH called AS (SELECT serial FROM lh_task WHERE parent_run_id = $2 ORDER BY serial FOR UPDATE) UPDATE lh_task SET parent_run_id = $1 FROM called WHERE lh_task.serial = called.serial", run.id, parkedRunId);
}

/** A run with the versions, the beginning and the chance of another one; begun when that one was, unless another instant is given. Returns its serial. */
export async function insertRunFrom(db: PostgresSession, { id, taskId }: NewRun, fromRunId: string, { begunAtMs, keysOf }: { readonly begunAtMs: number | null; readonly keysOf: string | null }): Promise<number> {
  const row = await db.get(
    `INSERT INTO lh_run (id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version, from_run_id, random_run_id, key_run_id)
     SELECT $1, $2, (SELECT 1 + count(*) FROM lh_run WHERE task_id = $2), agent_version, started_at_ms, coalesce($5, begun_at_ms), 0, format, loop_version, id, coalesce(random_run_id, id),
       (SELECT coalesce(key_run_id, id) FROM lh_run WHERE id = $3) FROM lh_run WHERE id = $4 RETURNING serial`,
    id, taskId, keysOf, fromRunId, begunAtMs,
  );
  return Number(row?.["serial"]);
}

/** lh_run.serial. @throws {TASK_UNKNOWN} */
export async function serialOf(db: PostgresSession, runId: string): Promise<number> {
  const serial = numberOrNull((await db.get("SELECT serial FROM lh_run WHERE id = $1", runId))?.["serial"]);
  if (serial === null) throw runUnknown(runId);
  return serial;
}

function runFromRow(row: PostgresRow): Run {
  return {
    id: String(row["id"]),
    taskId: String(row["task_id"]),
    number: Number(row["number"]),
    agentVersion: String(row["agent_version"]),
    loopVersion: Number(row["loop_version"]),
    fromRunId: textOrNull(row["from_run_id"]),
    mismatch: parseMismatch(row["mismatch"]),
  };
}

function parseMismatch(stored: unknown): Failure | null {
  return typeof stored === "string" ? parseFailure(JSON.parse(stored) as Json) : null;
}
