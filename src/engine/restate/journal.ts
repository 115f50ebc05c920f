import { loadJson, storeJson } from "../../db/postgres-payload.ts";
import { toRecordset } from "../../db/postgres-text.ts";
import type { PostgresRow, PostgresSession } from "../../db/postgres.ts";
import { parseOutcome, type CompletedStep, type StepIdentity, type StepKind, type StepOutcome } from "../../record/step.ts";
import type { SeededStep } from "../engine.ts";
import { keyOf, outcomeText, type EndedStep, type JournaledStep, type SeededOutcome } from "../journaled-step.ts";
import { numberOrNull, storeOne } from "./tasks.ts";

/** A completed step, and its place in the order in which code was told. */
export interface JournalRow {
  /** lh_run.serial. */
  readonly run: number;
  readonly activation: number;
  readonly step: EndedStep;
  readonly seq: number;
}

const insertStep = `INSERT INTO lh_journal (run, activation, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (run, kind, name, occurrence) DO NOTHING`;

/** Stores a completed step; null when the run holds one of this identity already. What it returns is what was stored: code and its replay see the same data. */
export async function appendStep(db: PostgresSession, run: number, activation: number, step: EndedStep): Promise<JournaledStep | null> {
  const outcome = outcomeText(step.outcome);
  const { number, kind, name, occurrence, attempt, startedAtMs, completedAtMs } = step;
  const { changes } = await db.run(insertStep, run, activation, number, kind, name, occurrence, attempt, startedAtMs, completedAtMs, await storeOne(db, outcome));
  return changes === 0 ? null : asStored(step, outcome);
}

const insertTold = `WITH told AS (
    INSERT INTO lh_journal (run, activation, seq, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
    SELECT * FROM json_to_recordset($1::json) AS step (run bigint, activation integer, seq integer, number integer, kind text, name text, occurrence integer, attempt integer, started_at_ms bigint,
      completed_at_ms bigint, outcome text)
    ON CONFLICT (run, kind, name, occurrence) DO UPDATE SET seq = excluded.seq
    RETURNING run, xmax = 0 AS is_inserted)
  SELECT DISTINCT run FROM told WHERE is_inserted`;

/** Stores what code was told, whether it was stored before or not, with its place in that order. No step may be in it twice. Returns the runs of which a step was not stored before. */
export async function noteTold(db: PostgresSession, rows: readonly JournalRow[]): Promise<ReadonlySet<number>> {
  const outcomes = await storeJson(db, rows.map(({ step }) => outcomeText(step.outcome)));
  const told = rows.map(({ run, activation, seq, step: { number, kind, name, occurrence, attempt, startedAtMs, completedAtMs } }, index) => (
    { run, activation, seq, number, kind, name, occurrence, attempt, started_at_ms: startedAtMs, completed_at_ms: completedAtMs, outcome: outcomes[index] ?? null }
  ));
  const inserted = await db.all(insertTold, toRecordset(told));
  return new Set(inserted.map((row) => Number(row["run"])));
}

/** A value was made plain JSON when its size was checked; a failure may hold more than is stored. */
export function asStored(step: EndedStep, outcome: string): JournaledStep {
  const outcomeBytes = Buffer.byteLength(outcome);
  return step.outcome.ok ? { ...step, outcomeBytes } : { ...step, outcome: parseOutcome(JSON.parse(outcome) as Parameters<typeof parseOutcome>[0]), outcomeBytes };
}

/** The step of this identity, null when it is not completed. */
export async function getStep(db: PostgresSession, run: number, { kind, name, occurrence }: StepIdentity): Promise<JournaledStep | null> {
  const row = await db.get("SELECT * FROM lh_journal WHERE run = $1 AND kind = $2 AND name = $3 AND occurrence = $4", run, kind, name, occurrence);
  return row === undefined ? null : ((await stepsFrom(db, [row]))[0] ?? null);
}

/** True when a step is stored of which code was not told: not in this attempt of this activation, and in no activation before. What an earlier attempt was told, this one is still to be. */
export async function hasUntold(db: PostgresSession, { run, activation }: { readonly run: number; readonly activation: number }, told: ReadonlySet<string>): Promise<boolean> {
  const rows = await db.all("SELECT kind, name, occurrence FROM lh_journal WHERE run = $1 AND (seq IS NULL OR activation = $2)", run, activation);
  return rows.some((row) => !told.has(keyOf(identityFromRow(row))));
}

const inOrder = "ORDER BY seq NULLS LAST, position";

/** What the run had come to before this activation, in the order in which code was told and will be told; and of how many of them it was. */
export async function listJournal(db: PostgresSession, run: number, beforeActivation: number): Promise<{ readonly steps: readonly JournaledStep[]; readonly told: number }> {
  const rows = await db.all(`SELECT * FROM lh_journal WHERE run = $1 AND activation < $2 ${inOrder}`, run, beforeActivation);
  return { steps: await stepsFrom(db, rows), told: rows.filter((row) => row["seq"] !== null).length };
}

/** What code was told in this activation and is stored as such, in that order. */
export async function listTold(db: PostgresSession, run: number, activation: number): Promise<readonly JournaledStep[]> {
  return await stepsFrom(db, await db.all("SELECT * FROM lh_journal WHERE run = $1 AND activation = $2 AND seq IS NOT NULL ORDER BY seq", run, activation));
}

export async function listSteps(db: PostgresSession, runId: string): Promise<readonly CompletedStep[]> {
  const rows = await db.all(`SELECT lh_journal.* FROM lh_journal JOIN lh_run ON lh_run.serial = run WHERE lh_run.id = $1 ${inOrder}`, runId);
  return (await stepsFrom(db, rows)).map((journaled, index) => {
    const { outcomeBytes: _, ...step } = journaled;
    return { ...step, seq: index + 1 };
  });
}

async function stepsFrom(db: PostgresSession, rows: readonly PostgresRow[]): Promise<readonly JournaledStep[]> {
  const outcomes = await outcomesFrom(db, rows);
  return rows.map((row, index) => {
    const outcome = outcomes[index] ?? missing(row);
    return {
      ...identityFromRow(row),
      number: Number(row["number"]), attempt: Number(row["attempt"]), startedAtMs: Number(row["started_at_ms"]), completedAtMs: Number(row["completed_at_ms"]),
      outcome, outcomeBytes: Buffer.byteLength(outcomeText(outcome)),
    };
  });
}

async function outcomesFrom(db: PostgresSession, rows: readonly PostgresRow[]): Promise<readonly StepOutcome[]> {
  return (await loadJson(db, rows.map((row) => String(row["outcome"])))).map(parseOutcome);
}

function missing(row: PostgresRow): never {
  throw new Error(`step ${String(row["name"])} has no outcome`);
}

/** Keeps the outcomes that the task's next run is served, in their order, in place of those it was to be served before. */
export async function replaceSeed(db: PostgresSession, taskId: string, seed: readonly SeededStep[]): Promise<void> {
  await db.run("DELETE FROM lh_seed WHERE task_id = $1", taskId);
  for (const { kind, name, occurrence, outcome } of seed) {
    await db.run(
      "INSERT INTO lh_seed (task_id, kind, name, occurrence, outcome) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (task_id, kind, name, occurrence) DO UPDATE SET outcome = excluded.outcome",
      taskId, kind, name, occurrence, await storeOne(db, outcomeText(outcome)),
    );
  }
}

export async function listSeed(db: PostgresSession, taskId: string): Promise<ReadonlyMap<string, SeededOutcome>> {
  const rows = await db.all("SELECT * FROM lh_seed WHERE task_id = $1 ORDER BY position", taskId);
  const outcomes = await outcomesFrom(db, rows);
  return new Map(rows.map((row, index) => [keyOf(identityFromRow(row)), { outcome: outcomes[index] ?? missing(row), startedAtMs: numberOrNull(row["started_at_ms"]), completedAtMs: numberOrNull(row["completed_at_ms"]) }]));
}

export function identityFromRow(row: PostgresRow): StepIdentity {
  return { kind: row["kind"] as StepKind, name: String(row["name"]), occurrence: Number(row["occurrence"]) };
}
