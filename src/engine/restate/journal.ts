import { isWhole } from "../../db/payload-text.ts";
import { loadJson, storeJson } from "../../db/postgres-payload.ts";
import { toRecordset } from "../../db/postgres-text.ts";
import type { PostgresRow, PostgresSession } from "../../db/postgres.ts";
import { parseOutcome, type CompletedStep, type StepIdentity, type StepKind, type StepOutcome } from "../../record/step.ts";
import type { SeededStep } from "../engine.ts";
import { keyOf, outcomeText, type EndedStep, type JournaledStep, type SeededOutcome } from "../journaled-step.ts";
import type { AttemptIds } from "./attempt-state.ts";
import { stored, type Ended } from "./envelope.ts";
import { asStored, identityText, outcomeOf, textOf, withBytes, withOutcome, type StepFields } from "./step-text.ts";
import { numberOrNull, storeOne } from "./tasks.ts";

/** A step of a run that code was told. */
export type ToldStep = Pick<Ended, "text" | "isStored"> & { readonly step: StepIdentity };

/** Steps of one run that code was told in one activation, one after the other in that order. */
export interface ToldPart {
  /** lh_run.serial. */
  readonly run: number;
  readonly activation: number;
  /** The place of the first one in that order, from 1. */
  readonly first: number;
  readonly steps: readonly ToldStep[];
}

const insertStep = `INSERT INTO lh_journal (run, activation, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (run, kind, name, occurrence) DO NOTHING`;

/** Stores a completed step; null when the run holds one of this identity already. What it returns is what was stored: code and its replay see the same data. */
export async function appendStep(db: PostgresSession, run: number, activation: number, step: EndedStep): Promise<JournaledStep | null> {
  const text = textOf(step);
  const { number, kind, name, occurrence, attempt, startedAtMs, completedAtMs } = step;
  const { changes } = await db.run(insertStep, run, activation, number, kind, name, occurrence, attempt, startedAtMs, completedAtMs, await storeOne(db, outcomeOf(text)));
  return changes === 0 ? null : asStored(step, text);
}

const insertCurrent = `WITH task AS (SELECT * FROM lh_task WHERE id = $11 FOR UPDATE),
    step AS (INSERT INTO lh_journal (run, activation, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
      SELECT $1::bigint, $2::integer, $3::integer, $4::text, $5::text, $6::integer, $7::integer, $8::bigint, $9::bigint, $10::text FROM task
      WHERE status = 'running' AND run_id = $12 AND activation = $2 AND attempt = $13 ON CONFLICT (run, kind, name, occurrence) DO NOTHING RETURNING run)
  SELECT status = 'running' AND run_id = $12 AND activation = $2 AS is_current, attempt, EXISTS (SELECT FROM step) AS is_stored FROM task`;

export interface Appended {
  readonly state: "current" | "over" | "superseded";
  readonly step: JournaledStep | null;
}

/** As `appendStep`, when the task executes this attempt: it is locked. */
export async function appendCurrent(db: PostgresSession, ids: AttemptIds, step: EndedStep): Promise<Appended> {
  const text = textOf(step);
  const { number, kind, name, occurrence, attempt, startedAtMs, completedAtMs } = step;
  const row = await db.get(
    insertCurrent, ids.runSerial, ids.activation, number, kind, name, occurrence, attempt, startedAtMs, completedAtMs, await storeOne(db, outcomeOf(text)), ids.taskId, ids.runId, ids.attempt,
  );
  const state = row?.["is_current"] === true ? (row["attempt"] === ids.attempt ? "current" : "superseded") : "over";
  return { state, step: row?.["is_stored"] === true ? asStored(step, text) : null };
}

/** No JSON text holds it. */
const separator = "\u001E";
// Another attempt may have stored the same steps, in other parts: those who read leave out what they have. The longest part from a place is what is kept.
const insertTold = `INSERT INTO lh_told (run, activation, first, last, steps)
  SELECT * FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::integer[], string_to_array($5, '${separator}'))
  ON CONFLICT (run, first) DO UPDATE SET activation = excluded.activation, last = excluded.last, steps = excluded.steps WHERE excluded.last > lh_told.last`;

/** Stores what code was told, whether it was stored before or not, with its place in that order: all that a run was told since the last time is one row. */
export async function noteTold(db: PostgresSession, parts: readonly ToldPart[]): Promise<void> {
  const packed = await packTold(db, parts);
  const lists = parts.map(({ steps }) => `[${steps.map((told) => (told.isStored ? identityText(told.step) : (packed.get(told) ?? told.text.list))).join(",")}]`);
  await db.run(insertTold, parts.map(({ run }) => run), parts.map(({ activation }) => activation), parts.map(({ first }) => first), parts.map(({ first, steps }) => first + steps.length - 1), lists.join(separator));
}

/** The lists of those that do not hold all of their outcome. */
async function packTold(db: PostgresSession, parts: readonly ToldPart[]): Promise<ReadonlyMap<ToldStep, string>> {
  const long = parts.flatMap(({ steps }) => steps.filter(({ text, isStored }) => !isStored && !isWhole(text.list)));
  if (long.length === 0) return new Map();
  const outcomes = await storeJson(db, long.map(({ text }) => outcomeOf(text)));
  return new Map(long.map((told, index) => [told, withOutcome(told.text, outcomes[index] ?? missing(told.step.name))]));
}

/** The place of the last step that is stored as one that code was told. */
export async function lastTold(db: PostgresSession, run: number): Promise<number> {
  return Number((await db.get("SELECT max(last) AS last FROM lh_told WHERE run = $1", run))?.["last"] ?? 0);
}

/** The step of this identity, null when it is no row. A step that nobody else sees is looked for in Restate's journal. */
export async function getStep(db: PostgresSession, run: number, { kind, name, occurrence }: StepIdentity): Promise<JournaledStep | null> {
  const row = await db.get("SELECT * FROM lh_journal WHERE run = $1 AND kind = $2 AND name = $3 AND occurrence = $4", run, kind, name, occurrence);
  return row === undefined ? null : ((await stepsFrom(db, [storedFromRow(row)]))[0] ?? null);
}

/** True when a step is stored of which code was not told: not in this attempt of this activation, and in no activation before. What an earlier attempt was told, this one is still to be. */
export async function hasUntold(db: PostgresSession, { run, activation, attempt }: { readonly run: number; readonly activation: number; readonly attempt: number }, told: ReadonlySet<string>): Promise<boolean> {
  const rows = await db.all("SELECT kind, name, occurrence FROM lh_journal WHERE run = $1 AND activation = $2", run, activation);
  if (rows.some((row) => !told.has(keyOf(identityFromRow(row))))) return true;
  return attempt > 1 && (await readJournal(db, run)).some((step) => step.toldIn === activation && !told.has(keyOf(step)));
}

/** A completed step as it is stored: `outcome` is what `storeJson` made of it. */
export interface StoredStep extends StepIdentity {
  readonly number: number;
  readonly attempt: number;
  readonly startedAtMs: number;
  readonly completedAtMs: number;
  readonly outcome: string;
  /** The activation in which code was told; null when it was not. */
  readonly toldIn: number | null;
  /** True for a row of lh_journal. */
  readonly isRow: boolean;
}

/** What a run came to before an activation, or by now: what code was told in that order, and what it was not told in the order in which that was stored. */
export async function readJournal(db: PostgresSession, run: number, beforeActivation = activationMax): Promise<readonly StoredStep[]> {
  // In this order: of a row that is told of, there is the row.
  const parts = await db.all("SELECT activation, first, steps FROM lh_told WHERE run = $1 AND activation < $2 ORDER BY first", run, beforeActivation);
  const rows = await db.all("SELECT * FROM lh_journal WHERE run = $1 AND activation < $2 ORDER BY position", run, beforeActivation);
  const untold = new Map(rows.map((row) => [keyOf(identityFromRow(row)), storedFromRow(row)]));
  const told: StoredStep[] = [];
  for (const part of parts) {
    const activation = Number(part["activation"]);
    const lists = JSON.parse(String(part["steps"])) as readonly (StepFields | readonly [kind: StepKind, name: string, occurrence: number])[];
    for (const list of lists.slice(Math.max(0, told.length + 1 - Number(part["first"])))) {
      if (list.length > 3) {
        told.push(storedFromFields(list as StepFields, activation));
        continue;
      }
      const [kind, name, occurrence] = list;
      const key = keyOf({ kind, name, occurrence });
      told.push({ ...(untold.get(key) ?? missing(name)), toldIn: activation });
      untold.delete(key);
    }
  }
  return [...told, ...untold.values()];
}

const activationMax = 2_147_483_647;

function storedFromRow(row: PostgresRow): StoredStep {
  return {
    ...identityFromRow(row),
    number: Number(row["number"]), attempt: Number(row["attempt"]), startedAtMs: Number(row["started_at_ms"]), completedAtMs: Number(row["completed_at_ms"]), outcome: String(row["outcome"]), toldIn: null, isRow: true,
  };
}

function storedFromFields([kind, name, occurrence, number, attempt, startedAtMs, tookMs, outcome]: StepFields, toldIn: number): StoredStep {
  return { kind, name, occurrence, number, attempt, startedAtMs, completedAtMs: startedAtMs + tookMs, outcome: JSON.stringify(outcome), toldIn, isRow: false };
}

/** What the run had come to before this activation, in the order in which code was told and will be told; and of how many of them it was. */
export async function listJournal(db: PostgresSession, run: number, beforeActivation: number): Promise<{ readonly steps: readonly JournaledStep[]; readonly told: number }> {
  const journal = await readJournal(db, run, beforeActivation);
  return { steps: await stepsFrom(db, journal), told: journal.filter(({ toldIn }) => toldIn !== null).length };
}

/** True when something that the run came to in this activation is stored. */
export async function hasStepsOf(db: PostgresSession, run: number, activation: number): Promise<boolean> {
  const row = await db.get("SELECT EXISTS (SELECT FROM lh_journal WHERE run = $1 AND activation = $2) OR EXISTS (SELECT FROM lh_told WHERE run = $1 AND activation = $2) AS has_steps", run, activation);
  return row?.["has_steps"] === true;
}

/** What code was told in this activation and is stored as such, in that order. */
export async function listTold(db: PostgresSession, run: number, activation: number): Promise<readonly Ended[]> {
  const told = (await readJournal(db, run)).filter(({ toldIn }) => toldIn === activation);
  return (await stepsFrom(db, told)).map((step, index) => ({ ...stored(step), isStored: told[index]?.isRow === true }));
}

export async function listSteps(db: PostgresSession, runId: string): Promise<readonly CompletedStep[]> {
  const run = await db.get("SELECT serial FROM lh_run WHERE id = $1", runId);
  const journal = run === undefined ? [] : await readJournal(db, Number(run["serial"]));
  return (await stepsFrom(db, journal)).map((journaled, index) => {
    const { outcomeBytes: _, ...step } = journaled;
    return { ...step, seq: index + 1 };
  });
}

/** Stores steps of another run as those of this one, as attempt 0 of an activation before the first. */
export async function copySteps(db: PostgresSession, run: number, steps: readonly StoredStep[]): Promise<void> {
  await db.run(
    `INSERT INTO lh_journal (run, activation, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome)
     SELECT $1, 0, number, kind, name, occurrence, 0, started_at_ms, completed_at_ms, outcome FROM json_to_recordset($2::json) AS step (${stepColumns}) ORDER BY place`,
    run, stepRecordset(steps),
  );
}

/** Keeps these for the task's next run to be served, behind those that it has; of two with one identity, the first. */
export async function addSeed(db: PostgresSession, taskId: string, steps: readonly StoredStep[]): Promise<void> {
  await db.run(
    `INSERT INTO lh_seed (task_id, kind, name, occurrence, started_at_ms, completed_at_ms, outcome)
     SELECT $1, kind, name, occurrence, started_at_ms, completed_at_ms, outcome FROM json_to_recordset($2::json) AS step (${stepColumns}) ORDER BY place ON CONFLICT DO NOTHING`,
    taskId, stepRecordset(steps),
  );
}

const stepColumns = "place integer, number integer, kind text, name text, occurrence integer, started_at_ms bigint, completed_at_ms bigint, outcome text";

function stepRecordset(steps: readonly StoredStep[]): string {
  return toRecordset(steps.map(({ number, kind, name, occurrence, startedAtMs, completedAtMs, outcome }, place) => (
    { place, number, kind, name, occurrence, started_at_ms: startedAtMs, completed_at_ms: completedAtMs, outcome }
  )));
}

async function stepsFrom(db: PostgresSession, steps: readonly StoredStep[]): Promise<readonly JournaledStep[]> {
  const outcomes = (await loadJson(db, steps.map(({ outcome }) => outcome))).map(parseOutcome);
  return steps.map(({ kind, name, occurrence, number, attempt, startedAtMs, completedAtMs }, index) => withBytes({ kind, name, occurrence, number, attempt, startedAtMs, completedAtMs, outcome: outcomes[index] ?? missing(name) }));
}

async function outcomesFrom(db: PostgresSession, rows: readonly PostgresRow[]): Promise<readonly StepOutcome[]> {
  return (await loadJson(db, rows.map((row) => String(row["outcome"])))).map(parseOutcome);
}

function missing(name: string): never {
  throw new Error(`step ${name} has no outcome`);
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
  return new Map(rows.map((row, index) => [keyOf(identityFromRow(row)), { outcome: outcomes[index] ?? missing(String(row["name"])), startedAtMs: numberOrNull(row["started_at_ms"]), completedAtMs: numberOrNull(row["completed_at_ms"]) }]));
}

export function identityFromRow(row: PostgresRow): StepIdentity {
  return { kind: row["kind"] as StepKind, name: String(row["name"]), occurrence: Number(row["occurrence"]) };
}
