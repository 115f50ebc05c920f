import type { Json } from "../../base/json.ts";
import { isInline } from "../../db/payload-text.ts";
import { loadJson, storeJson } from "../../db/payload.ts";
import type { Row, SqliteDatabase } from "../../db/sqlite.ts";
import { parseFailure, type Failure } from "../../record/failure.ts";
import { outcomeToJson, parseOutcome, type CompletedStep, type StepIdentity, type StepKind, type StepOutcome } from "../../record/step.ts";
import type { SeededStep } from "../engine.ts";
import { journalFormat, keyOf, outcomeText, type EndedStep, type JournaledStep, type SeededOutcome } from "../journaled-step.ts";

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
  /** The version of its journal. */
  readonly format: number;
  /** The agent's version that it runs with. */
  readonly agentVersion: string;
  readonly loopVersion: number;
  /** The run whose id its chance is drawn from, and the one whose id begins the idempotency keys of its steps. Its own unless it was made from another. */
  readonly randomRunId: string;
  readonly keyRunId: string;
}

/** What tells a run's rows from those of a run that its task does not execute any more. */
export interface RunIds {
  readonly taskId: string;
  readonly runId: string;
  /** lh_task.serial and lh_run.serial. */
  readonly taskSerial: number;
  readonly runSerial: number;
}

export function insertRun(db: SqliteDatabase, run: { readonly id: string; readonly taskId: string; readonly agentVersion: string; readonly loopVersion: number; readonly startedAtMs: number }): StoredRun {
  // The number is a subquery in a list of values: an INSERT from a SELECT may write several rows, for which SQLite keeps copies of the pages.
  const { lastId } = db.run(
    `INSERT INTO lh_run (id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version)
     VALUES (?1, ?2, (SELECT 1 + count(*) FROM lh_run WHERE task_id = ?2), ?3, ?4, ?4, 0, ?5, ?6)`,
    run.id, run.taskId, run.agentVersion, run.startedAtMs, journalFormat, run.loopVersion,
  );
  return { ...run, begunAtMs: run.startedAtMs, serial: lastId, recoveries: 0, format: journalFormat, randomRunId: run.id, keyRunId: run.id };
}

export function getRun(db: SqliteDatabase, runId: string): StoredRun | null {
  const row = db.get(
    "SELECT serial, task_id, started_at_ms, begun_at_ms, recoveries, format, agent_version, loop_version, coalesce(random_run_id, id) AS random_run_id, coalesce(key_run_id, id) AS key_run_id FROM lh_run WHERE id = ?",
    runId,
  );
  if (row === undefined) return null;
  return {
    serial: Number(row["serial"]), id: runId, taskId: String(row["task_id"]), startedAtMs: Number(row["started_at_ms"]), begunAtMs: Number(row["begun_at_ms"]), recoveries: Number(row["recoveries"]),
    format: Number(row["format"]), agentVersion: String(row["agent_version"]), loopVersion: Number(row["loop_version"]),
    randomRunId: String(row["random_run_id"]), keyRunId: String(row["key_run_id"]),
  };
}

/** Notes with which version the run goes on. */
export function setRunVersion(db: SqliteDatabase, runId: string, version: string): void {
  db.run("UPDATE lh_run SET agent_version = ? WHERE id = ?", version, runId);
}

export function countRecovery(db: SqliteDatabase, runId: string): void {
  db.run("UPDATE lh_run SET recoveries = recoveries + 1 WHERE id = ?", runId);
}

/** Notes with which code the run could not go on, and why. */
export function markParked(db: SqliteDatabase, runId: string, codeVersion: string, mismatch: Failure): void {
  db.run("UPDATE lh_run SET parked_version = ?, mismatch = ? WHERE id = ?", codeVersion, JSON.stringify(mismatch), runId);
}

/** Why the run was parked when it was last tried; null when it never was. */
export function getMismatch(db: SqliteDatabase, runId: string): Failure | null {
  const stored = db.get("SELECT mismatch FROM lh_run WHERE id = ?", runId)?.["mismatch"];
  return typeof stored === "string" ? parseFailure(JSON.parse(stored) as Json) : null;
}

const stepColumns = "run, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome";
const insertStep = `INSERT INTO lh_journal (${stepColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`;

/** Appends a step of whatever run; null when the run holds one of this identity already. What it returns is what was stored: a live run and its replay see the same data. */
export function appendStep(db: SqliteDatabase, run: number, step: EndedStep): JournaledStep | null {
  const outcome = outcomeText(step.outcome);
  const stored = storeJson(db, outcome);
  const { changes } = db.run(insertStep, run, step.number, step.kind, step.name, step.occurrence, step.attempt, step.startedAtMs, step.completedAtMs, stored);
  return changes === 0 ? null : asStored(step, outcome);
}

/** The run is null, and the row is left out, when the task does not execute it any more. A list of values and no SELECT: that may write several rows, for which SQLite keeps copies of the pages. */
const appendToRunning = `INSERT OR IGNORE INTO lh_journal (${stepColumns})
  VALUES ((SELECT ?1 FROM lh_task WHERE serial = ?10 AND run_id = ?11 AND status = 'running'), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`;

/** Like `appendStep`; null as well when the task does not execute this run any more. One statement: it is what every step costs. */
export function appendStepWhileRunning(db: SqliteDatabase, run: RunIds, step: EndedStep): JournaledStep | null {
  const outcome = outcomeText(step.outcome);
  const stored = storeJson(db, outcome);
  const { changes } = db.run(
    appendToRunning, run.runSerial, step.number, step.kind, step.name, step.occurrence, step.attempt, step.startedAtMs, step.completedAtMs, stored, run.taskSerial, run.runId,
  );
  return changes === 0 ? null : asStored(step, outcome);
}

/** A value was made plain JSON when its size was checked; a failure may hold more than is stored. */
function asStored(step: EndedStep, outcome: string): JournaledStep {
  const outcomeBytes = Buffer.byteLength(outcome);
  return step.outcome.ok ? { ...step, outcomeBytes } : { ...step, outcome: parseOutcome(JSON.parse(outcome) as Json), outcomeBytes };
}

export function countSteps(db: SqliteDatabase, run: number): number {
  return Number(db.get("SELECT count(*) AS n FROM lh_journal WHERE run = ?", run)?.["n"] ?? 0);
}

/** The journal of a run, by lh_run.serial. */
export function listJournal(db: SqliteDatabase, run: number): readonly JournaledStep[] {
  return db.all("SELECT * FROM lh_journal WHERE run = ? ORDER BY position", run).map((row) => stepFromRow(db, row));
}

export function listSteps(db: SqliteDatabase, runId: string): readonly CompletedStep[] {
  const serial = getRun(db, runId)?.serial;
  if (serial === undefined) return [];
  return listJournal(db, serial).map((journaled, index) => {
    const { outcomeBytes: _, ...step } = journaled;
    return { ...step, seq: index + 1 };
  });
}

/** Keeps the outcomes that the task's next run is served, in their order, in place of those it was to be served before. */
export function replaceSeed(db: SqliteDatabase, taskId: string, seed: readonly SeededStep[]): void {
  db.run("DELETE FROM lh_seed WHERE task_id = ?", taskId);
  for (const { kind, name, occurrence, outcome } of seed) {
    db.run("INSERT OR REPLACE INTO lh_seed (task_id, kind, name, occurrence, outcome) VALUES (?, ?, ?, ?, ?)", taskId, kind, name, occurrence, storeJson(db, JSON.stringify(outcomeToJson(outcome))));
  }
}

const noSeed: ReadonlyMap<string, SeededOutcome> = new Map();

export function listSeed(db: SqliteDatabase, taskId: string): ReadonlyMap<string, SeededOutcome> {
  const rows = db.all("SELECT kind, name, occurrence, started_at_ms, completed_at_ms, outcome FROM lh_seed WHERE task_id = ? ORDER BY rowid", taskId);
  if (rows.length === 0) return noSeed;
  return new Map(rows.map((row) => [keyOf(identityFromRow(row)), { outcome: outcomeFromRow(db, row), startedAtMs: numberOrNull(row["started_at_ms"]), completedAtMs: numberOrNull(row["completed_at_ms"]) }]));
}

export function identityFromRow(row: Row): StepIdentity {
  return { kind: row["kind"] as StepKind, name: String(row["name"]), occurrence: Number(row["occurrence"]) };
}

function stepFromRow(db: SqliteDatabase, row: Row): JournaledStep {
  const stored = String(row["outcome"]);
  const outcome = outcomeFromRow(db, row);
  return {
    ...identityFromRow(row),
    number: Number(row["number"]),
    attempt: Number(row["attempt"]),
    startedAtMs: Number(row["started_at_ms"]),
    completedAtMs: Number(row["completed_at_ms"]),
    outcome,
    outcomeBytes: Buffer.byteLength(isInline(stored) ? stored : JSON.stringify(outcomeToJson(outcome))),
  };
}

function outcomeFromRow(db: SqliteDatabase, row: Row): StepOutcome {
  return parseOutcome(loadJson(db, String(row["outcome"])));
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
