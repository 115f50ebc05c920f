import type { PostgresDatabase, PostgresRow } from "../../src/db/postgres.ts";
import { taskStatuses } from "../../src/record/task.ts";
import type { SeenEffect } from "./fixture/sink.ts";
import { effectsOf } from "./fixture/programs.ts";

export interface Evidence {
  readonly db: PostgresDatabase;
  readonly seen: readonly SeenEffect[];
  /** Tasks whose start was acknowledged. */
  readonly started: ReadonlySet<string>;
}

/** The steps of all runs in the order in which code was told. Attempts of one activation may have stored the same place. */
const told = `SELECT run, first + ordinality - 1 AS place, step->>0 AS kind, step->>1 AS name, (step->>2)::integer AS occurrence, (step->>3)::integer AS number
  FROM lh_told CROSS JOIN LATERAL json_array_elements(steps::json) WITH ORDINALITY AS list (step, ordinality)`;
/** Each completed step, with its number. */
const journal = `SELECT run, kind, name, occurrence, number FROM lh_journal UNION ALL SELECT DISTINCT run, kind, name, occurrence, number FROM (${told}) AS step WHERE number IS NOT NULL`;

/** What must hold when everything has come to rest; each line is a promise that was broken. */
export async function findViolations({ db, seen, started }: Evidence): Promise<readonly string[]> {
  const tasks = await db.all("SELECT id, agent, status, run_id, activation, attempt, parent_run_id, key FROM lh_task ORDER BY serial");
  return [
    ...findUndone(tasks, started),
    ...(await findRows(db, "runs of one task", "SELECT task_id AS what FROM lh_run GROUP BY task_id HAVING count(*) > 1")),
    ...(await findRows(db, "a key that two tasks hold", "SELECT key AS what FROM lh_task WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1")),
    ...(await findRows(db, "a step that is twice in the journal", `SELECT run || ' ' || name AS what FROM (${journal}) AS step GROUP BY run, kind, name, occurrence HAVING count(*) > 1`)),
    ...(await findRows(db, "two steps of one run in one place of the order of telling", `SELECT run || ' ' || place AS what FROM (${told}) AS step GROUP BY run, place HAVING count(DISTINCT kind || ' ' || name || ' ' || occurrence) > 1`)),
    ...(await findRows(db, "a place in the order of telling that is empty", `SELECT run::text AS what FROM (${told}) AS step GROUP BY run HAVING count(DISTINCT place) <> max(place)`)),
    ...(await findRows(db, "a bell that nobody rang", "SELECT position || ' ' || awakeable AS what FROM lh_bell")),
    ...(await findRows(db, "a wait that is left", "SELECT run || ' ' || name AS what FROM lh_wait")),
    ...(await findRows(db, "an activation that was not begun", "SELECT id AS what FROM lh_task WHERE status = 'running' AND attempt = 0")),
    ...(await findRows(db, "an effect that was intended and not completed", "SELECT key AS what FROM lh_effect WHERE state <> 'completed'")),
    ...(await findRows(db, "a step without its record", `SELECT lh_run.id || '/' || step.number AS what FROM (${journal}) AS step JOIN lh_run ON lh_run.serial = run
      WHERE kind IN ('code', 'tool') AND NOT EXISTS (SELECT 1 FROM lh_record WHERE lh_record.id = lh_run.id || '/' || step.number)`)),
    ...(await findRows(db, "a record that is there twice", "SELECT id AS what FROM lh_record GROUP BY id HAVING count(*) > 1")),
    ...(await findEffects(db, tasks, seen)),
  ];
}

function findUndone(tasks: readonly PostgresRow[], started: ReadonlySet<string>): readonly string[] {
  const known = new Set(tasks.map(({ id }) => String(id)));
  const lost = [...started].filter((id) => !known.has(id)).map((id) => `lost: task ${id} was acknowledged and is not there`);
  const undone = tasks
    .filter(({ status }) => status !== "done")
    .map(({ id, agent, status, activation, attempt }) => `task ${String(id)} (${String(agent)}) is ${String(status)}${taskStatuses.some((legal) => legal === status) ? "" : ", which is no status"}: activation ${String(activation)}, attempt ${String(attempt)}`);
  return [...lost, ...undone];
}

async function findRows(db: PostgresDatabase, what: string, sql: string): Promise<readonly string[]> {
  return (await db.all(sql)).map((row) => `${what}: ${String(row["what"])}`);
}

/** What the ledger holds is what the sink saw, each once, and as many as the programs bring about. */
async function findEffects(db: PostgresDatabase, tasks: readonly PostgresRow[], seen: readonly SeenEffect[]): Promise<readonly string[]> {
  const ledger = new Set((await db.all("SELECT key FROM lh_effect")).map(({ key }) => String(key)));
  const counts = new Map<string, readonly SeenEffect[]>(Map.groupBy(seen, ({ key }) => key));
  const doubled = [...counts].filter(([, effects]) => effects.length > 1).map(([key, effects]) => `doubled: ${key} happened ${effects.length} times, by ${effects.map(({ worker, atMs }) => `${worker} at ${atMs}`).join(", ")}`);
  const expected = tasks.reduce((sum, { agent }) => sum + (effectsOf[String(agent)] ?? 0), 0);
  return [
    ...doubled,
    ...[...counts.keys()].filter((key) => !ledger.has(key)).map((key) => `not in the ledger: ${key} happened`),
    ...[...ledger].filter((key) => !counts.has(key)).map((key) => `lost: ${key} is in the ledger and did not happen`),
    ...(counts.size === expected ? [] : [`the programs bring about ${expected} effects, the sink saw ${counts.size}`]),
  ];
}
