import { loadJson, storeJson } from "../../db/postgres-payload.ts";
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

/** Stores what code was told, whether it was stored before or not, with its place in that order. No step may be in it twice. */
export async function noteTold(db: PostgresSession, rows: readonly JournalRow[]): Promise<void> {
  const outcomes = await storeJson(db, rows.map(({ step }) => outcomeText(step.outcome)));
  await db.run(
    `INSERT INTO lh_journal (run, activation, seq, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
     SELECT * FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::integer[], $5::text[], $6::text[], $7::integer[], $8::integer[], $9::bigint[], $10::bigint[], $11::text[])
     ON CONFLICT (run, kind, name, occurrence) DO UPDATE SET seq = excluded.seq`,
    rows.map(({ run }) => run), rows.map(({ activation }) => activation), rows.map(({ seq }) => seq), rows.map(({ step }) => step.number), rows.map(({ step }) => step.kind),
    rows.map(({ step }) => step.name), rows.map(({ step }) => step.occurrence), rows.map(({ step }) => step.attempt), rows.map(({ step }) => step.startedAtMs),
    rows.map(({ step }) => step.completedAtMs), outcomes,
  );
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
