import type { Json } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/postgres-payload.ts";
import { toRecordset } from "../../db/postgres-text.ts";
import type { PostgresRow, PostgresSession, PostgresValue } from "../../db/postgres.ts";
import { doubtsFromText, doubtsToText, taskStatuses, type NewTask, type Task, type TaskEnd, type TaskStatus, type WaitingReason } from "../../record/task.ts";
import type { TaskFilter } from "../engine.ts";
import type { TaskState } from "../task-rules.ts";

export interface StoredTask extends TaskState {
  /** What rows of its runs refer to. */
  readonly serial: number;
  /** How often a run of it was given a slot, and how often the current slot's run was begun. */
  readonly activation: number;
  readonly attempt: number;
  /** The attempt executes nothing that a crash could interrupt: Restate took it out of memory, or it waits for its turn. The next one counts no crash. */
  readonly suspended: boolean;
  /** The call that gave it its slot, and from its first attempt on the one that began the attempt. */
  readonly claim: string | null;
  /** Of the code that makes the calls of the current activation. Null before it is begun, and when its code cannot go on with it. */
  readonly codeVersion: string | null;
}

const columnsOfState = `serial, id, agent, key, priority, not_before_at_ms, deadline_at_ms, depth, source, doubts, status, waiting_reason, created_at_ms, started_at_ms, ended_at_ms, status_since_ms,
  open_since_ms, run_id, parent_run_id, recoveries, recoveries_without_progress, out_of_memory_without_progress, activation, attempt, suspended, claim, code_version, active_ms, ended_as`;
const listDefault = 100;
const listMax = 10_000;

export async function getTask(db: PostgresSession, id: string): Promise<StoredTask | null> {
  return await first(db, "SELECT * FROM lh_task WHERE id = $1", id);
}

/** Those of them that there are. */
export async function getTasks(db: PostgresSession, ids: readonly string[]): Promise<readonly StoredTask[]> {
  return await all(db, "SELECT * FROM lh_task WHERE id = ANY ($1)", ids);
}

/** How those of them stand that there are: without their inputs, which may be large. */
export async function getStates(db: PostgresSession, ids: readonly string[]): Promise<readonly StoredTask[]> {
  return await all(db, `SELECT ${columnsOfState}, 'null' AS input FROM lh_task WHERE id = ANY ($1)`, ids);
}

/** Like `getTask`; nobody else changes it until the transaction ends. */
export async function lockTask(db: PostgresSession, id: string): Promise<StoredTask | null> {
  return await first(db, "SELECT * FROM lh_task WHERE id = $1 FOR UPDATE", id);
}

/** Those of them that nobody else has locked; nobody else changes them until the transaction ends. */
export async function lockFreeTasks(db: PostgresSession, ids: readonly string[]): Promise<ReadonlyMap<string, StoredTask>> {
  return new Map((await all(db, "SELECT * FROM lh_task WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED", ids)).map((task) => [task.id, task]));
}

const taskOfRun = "FROM lh_run JOIN lh_task ON lh_task.id = lh_run.task_id AND lh_task.run_id = lh_run.id";

/** The task that this run belongs to, null when it has another run by now. */
export async function getTaskOfRun(db: PostgresSession, runId: string): Promise<StoredTask | null> {
  return await first(db, `SELECT lh_task.* ${taskOfRun} WHERE lh_run.id = $1`, runId);
}

/** Like `getTaskOfRun`; nobody else changes the task until the transaction ends. */
export async function lockTaskOfRun(db: PostgresSession, runId: string): Promise<StoredTask | null> {
  return await first(db, `SELECT lh_task.* ${taskOfRun} WHERE lh_run.id = $1 FOR UPDATE OF lh_task`, runId);
}

/** Like `lockTaskOfRun`, by lh_run.serial. */
export async function lockTaskOfRunSerial(db: PostgresSession, run: number): Promise<StoredTask | null> {
  return await first(db, `SELECT lh_task.* ${taskOfRun} WHERE lh_run.serial = $1 FOR UPDATE OF lh_task`, run);
}

const insertNew = `WITH new AS (SELECT *, row_number() OVER (PARTITION BY agent ORDER BY place) AS rank FROM json_to_recordset($1::json) AS task (place integer, id text, agent text, input text, key text, priority integer,
      not_before_at_ms bigint, deadline_at_ms bigint, depth integer, source text, doubts text, parent_run_id text, queue_max integer)),
    known AS MATERIALIZED (SELECT agent, (SELECT count(*) FROM (SELECT FROM lh_task WHERE lh_task.agent = asked.agent AND status = 'queued' AND (run_id IS NOT NULL) = false LIMIT $3) AS waiting) AS queued
      FROM (SELECT DISTINCT agent FROM new) AS asked)
  INSERT INTO lh_task (id, agent, input, key, priority, not_before_at_ms, deadline_at_ms, depth, source, doubts, status, created_at_ms, status_since_ms, open_since_ms, parent_run_id, recoveries, recoveries_without_progress)
  SELECT id, agent, input, key, priority, not_before_at_ms, deadline_at_ms, depth, source, doubts, 'queued', $2::bigint, $2, $2, parent_run_id, 0, 0 FROM new JOIN known USING (agent)
  WHERE queue_max IS NULL OR queued + rank <= queue_max ORDER BY place
  ON CONFLICT (id) DO NOTHING RETURNING *`;

export interface TaskToInsert {
  readonly task: NewTask;
  readonly parentRunId: string | null;
  /** So many tasks of its agent may be queued without a run, this one among them. Null: any number. */
  readonly queueMax: number | null;
}

/** Inserts tasks in this order. Those are left out, and not returned, of which there is one with this id, or for which the queue has no room. */
export async function insertTasks(db: PostgresSession, tasks: readonly TaskToInsert[], createdAtMs: number): Promise<readonly StoredTask[]> {
  const inputs = await storeJson(db, tasks.map(({ task }) => JSON.stringify(task.input)));
  const rows = tasks.map(({ task, parentRunId, queueMax }, place) => ({
    place, id: task.id, agent: task.agent, input: inputs[place] ?? null, key: task.key, priority: task.priority, not_before_at_ms: task.notBeforeAtMs, deadline_at_ms: task.deadlineAtMs, depth: task.depth,
    source: task.source, doubts: doubtsToText(task.doubts), parent_run_id: parentRunId, queue_max: queueMax,
  }));
  return await all(db, insertNew, toRecordset(rows), createdAtMs, Math.max(0, ...tasks.map(({ queueMax }) => queueMax ?? 0)));
}

const updateTasks = `UPDATE lh_task SET status = new.status, waiting_reason = new.waiting_reason, deadline_at_ms = new.deadline_at_ms, started_at_ms = new.started_at_ms, ended_at_ms = new.ended_at_ms,
    status_since_ms = new.status_since_ms, open_since_ms = new.open_since_ms, run_id = new.run_id, parent_run_id = new.parent_run_id, recoveries = new.recoveries,
    recoveries_without_progress = new.recoveries_without_progress, out_of_memory_without_progress = new.out_of_memory_without_progress, activation = new.activation, attempt = new.attempt,
    suspended = new.suspended, claim = new.claim, code_version = new.code_version, active_ms = new.active_ms, ended_as = new.ended_as
  FROM json_to_recordset($1::json) AS new (serial bigint, status text, waiting_reason text, deadline_at_ms bigint, started_at_ms bigint, ended_at_ms bigint, status_since_ms bigint, open_since_ms bigint,
    run_id text, parent_run_id text, recoveries integer, recoveries_without_progress integer, out_of_memory_without_progress integer, activation integer, attempt integer, suspended boolean, claim text,
    code_version text, active_ms bigint, ended_as text)
  WHERE lh_task.serial = new.serial`;

/** Writes what can change of tasks. */
export async function saveTasks(db: PostgresSession, tasks: readonly StoredTask[]): Promise<void> {
  const ends = await storeJson(db, tasks.map(({ end }) => JSON.stringify(end)));
  const rows = tasks.map((task, index) => ({
    serial: task.serial, status: task.status, waiting_reason: task.waitingReason, deadline_at_ms: task.deadlineAtMs, started_at_ms: task.startedAtMs, ended_at_ms: task.endedAtMs,
    status_since_ms: task.statusSinceMs, open_since_ms: task.openSinceMs, run_id: task.runId, parent_run_id: task.parentRunId, recoveries: task.recoveries,
    recoveries_without_progress: task.recoveriesWithoutProgress, out_of_memory_without_progress: task.outOfMemoryWithoutProgress, activation: task.activation, attempt: task.attempt,
    suspended: task.suspended, claim: task.claim, code_version: task.codeVersion, active_ms: task.activeMs, ended_as: task.end === null ? null : (ends[index] ?? null),
  }));
  await db.run(updateTasks, toRecordset(rows));
}

/** Nobody else changes the task until the transaction ends. */
export async function lockTaskBySerial(db: PostgresSession, serial: number): Promise<void> {
  await db.get("SELECT 1 AS one FROM lh_task WHERE serial = $1 FOR UPDATE", serial);
}

const firstAttempts = `WITH free AS (
    SELECT lh_task.serial, known.code_version, given.call FROM unnest($1::text[], $2::integer[], $5::text[]) AS given (run_id, activation, call) JOIN lh_run ON lh_run.id = given.run_id
      JOIN lh_task ON lh_task.id = lh_run.task_id AND lh_task.run_id = lh_run.id JOIN unnest($3::text[], $4::text[]) AS known (agent, code_version) ON known.agent = lh_task.agent
    WHERE lh_task.activation = given.activation AND status = 'running' AND attempt = 0 AND recoveries_without_progress = 0 AND out_of_memory_without_progress = 0
    FOR UPDATE OF lh_task SKIP LOCKED)
  UPDATE lh_task SET attempt = 1, suspended = false, code_version = free.code_version, claim = free.call FROM free WHERE lh_task.serial = free.serial RETURNING lh_task.*`;

/** Begins the first attempts of these, where nobody has the task locked, it was in no crash, and its agent is one of these. */
export async function beginFirst(db: PostgresSession, activations: readonly { readonly runId: string; readonly activation: number; readonly call: string }[], agents: readonly { readonly name: string; readonly codeVersion: string }[]): Promise<readonly StoredTask[]> {
  return await all(
    db, firstAttempts, activations.map(({ runId }) => runId), activations.map(({ activation }) => activation), agents.map(({ name }) => name), agents.map(({ codeVersion }) => codeVersion), activations.map(({ call }) => call),
  );
}

/** True when there were any. */
export async function clearRecoveriesWithoutProgress(db: PostgresSession, serial: number): Promise<boolean> {
  return (await db.run("UPDATE lh_task SET recoveries_without_progress = 0, out_of_memory_without_progress = 0 WHERE serial = $1 AND recoveries_without_progress > 0", serial)).changes > 0;
}

/** Each status is a walk of an index from one end, so that a list costs what it returns, however many tasks there are. */
export async function listTasks(db: PostgresSession, { statuses = taskStatuses, agent, limit = listDefault, first: which = "newest", brief = false }: TaskFilter): Promise<readonly Task[]> {
  const limitOfAll = Math.max(0, Math.min(limit, listMax));
  const direction = which === "newest" ? "DESC" : "ASC";
  const ofAgent = agent === undefined ? "" : "agent = $3 AND ";
  const rows = await db.all(
    `SELECT t.* FROM unnest($1::text[]) AS s (status) CROSS JOIN LATERAL
       (SELECT * FROM lh_task WHERE ${ofAgent}lh_task.status = s.status ORDER BY created_at_ms ${direction}, serial ${direction} LIMIT $2) AS t
     ORDER BY t.created_at_ms ${direction}, t.serial ${direction} LIMIT $2`,
    statuses, limitOfAll, ...(agent === undefined ? [] : [agent]),
  );
  return (brief ? rows.map((row) => taskFromRow(row, null, null)) : await tasksFromRows(db, rows)).map(toTask);
}

export async function countRunning(db: PostgresSession, agent: string): Promise<number> {
  return Number((await db.get("SELECT count(*) AS n FROM lh_task WHERE agent = $1 AND status = 'running'", agent))?.["n"] ?? 0);
}

const isReady = "agent = $1 AND status = 'queued' AND not_before_at_ms <= $2 AND deadline_at_ms > $2";

/** What this agent does next, by serials: runs that can go on before new ones, then by priority, then by age. */
export async function listReady(db: PostgresSession, agent: string, atMs: number, limit: number): Promise<readonly number[]> {
  return (await db.all(`SELECT serial FROM lh_task WHERE ${isReady} ORDER BY (run_id IS NOT NULL) DESC, priority DESC, created_at_ms, serial LIMIT $3`, agent, atMs, limit)).map((row) => Number(row["serial"]));
}

/** Those of them, in their order, that others have not taken out of the queue just then. */
export async function lockReady(db: PostgresSession, agent: string, atMs: number, serials: readonly number[]): Promise<readonly StoredTask[]> {
  const locked = new Map((await all(db, `SELECT * FROM lh_task WHERE serial = ANY ($3) AND ${isReady} ORDER BY serial FOR UPDATE`, agent, atMs, serials)).map((task) => [task.serial, task]));
  return serials.flatMap((serial) => locked.get(serial) ?? []);
}

/** Restate took this attempt out of memory; null when it is not known how long its task has executed. */
export async function markSuspended(db: PostgresSession, { runId, activation, attempt }: { readonly runId: string; readonly activation: number; readonly attempt: number }, activeMs: number | null): Promise<void> {
  await db.run("UPDATE lh_task SET suspended = true, active_ms = coalesce($4, active_ms) WHERE run_id = $1 AND activation = $2 AND attempt = $3 AND status = 'running'", runId, activation, attempt, activeMs);
}

/** This attempt executes, and was noted as given back: whoever took it came too late. */
export async function markExecuting(db: PostgresSession, { runId, activation, attempt }: { readonly runId: string; readonly activation: number; readonly attempt: number }): Promise<void> {
  await db.run("UPDATE lh_task SET suspended = false WHERE run_id = $1 AND activation = $2 AND attempt = $3 AND status = 'running'", runId, activation, attempt);
}

/** These are given back to Restate by a process that does not reach PostgreSQL: no crash interrupted them, whichever attempt it has. */
export async function markGivenBack(db: PostgresSession, activations: readonly { readonly runId: string; readonly activation: number }[]): Promise<void> {
  await db.run(
    `WITH given AS (
       SELECT serial FROM unnest($1::text[], $2::integer[]) AS given (run_id, activation) JOIN lh_task USING (run_id, activation) WHERE status = 'running' AND attempt > 0 ORDER BY serial FOR UPDATE OF lh_task)
     UPDATE lh_task SET suspended = true FROM given WHERE lh_task.serial = given.serial`,
    activations.map(({ runId }) => runId), activations.map(({ activation }) => activation),
  );
}

/** The code of this attempt cannot go on with its activation; nothing has crashed. */
export async function markChanged(db: PostgresSession, { runId, activation, attempt }: { readonly runId: string; readonly activation: number; readonly attempt: number }): Promise<void> {
  await db.run("UPDATE lh_task SET suspended = true, code_version = NULL WHERE run_id = $1 AND activation = $2 AND attempt = $3 AND status = 'running'", runId, activation, attempt);
}

const otherSuspects = `SELECT 1 AS one FROM lh_task WHERE status = 'running' AND (recoveries_without_progress > $1 OR out_of_memory_without_progress > 0)
  AND (serial < $2 OR (serial > $2 AND attempt > 0 AND NOT suspended)) LIMIT 1`;

/** True when, of the other tasks that were in more than so many crashes without a completed step, none executes and none comes before this one: of such tasks one executes at a time. */
export async function isFirstSuspect(db: PostgresSession, serial: number, suspectAbove: number): Promise<boolean> {
  return (await db.get(otherSuspects, suspectAbove, serial)) === undefined;
}

/** Tasks that were given a slot and of which no attempt has begun. */
export async function listUnbegun(db: PostgresSession, agent: string): Promise<readonly StoredTask[]> {
  return await all(db, "SELECT * FROM lh_task WHERE agent = $1 AND status = 'running' AND attempt = 0 ORDER BY serial", agent);
}

/** Runs that have had their slot since before this instant, of tasks behind this one. */
export async function listLong(db: PostgresSession, sinceBeforeMs: number, afterSerial: number, limit: number): Promise<readonly { readonly serial: number; readonly runId: string; readonly activation: number }[]> {
  const rows = await db.all("SELECT serial, run_id, activation FROM lh_task WHERE status = 'running' AND status_since_ms < $1 AND serial > $2 ORDER BY serial LIMIT $3", sinceBeforeMs, afterSerial, limit);
  return rows.map((row) => ({ serial: Number(row["serial"]), runId: String(row["run_id"]), activation: Number(row["activation"]) }));
}

/** The agents of which a task could begin now. Loose: one look into the index for each agent, not one for each task. */
export async function listReadyAgents(db: PostgresSession, atMs: number): Promise<readonly string[]> {
  const rows = await db.all(
    `WITH RECURSIVE queued (agent) AS (
       (SELECT agent FROM lh_task WHERE status = 'queued' ORDER BY agent LIMIT 1)
       UNION ALL SELECT (SELECT agent FROM lh_task WHERE status = 'queued' AND lh_task.agent > queued.agent ORDER BY agent LIMIT 1) FROM queued WHERE queued.agent IS NOT NULL)
     SELECT agent FROM queued WHERE agent IS NOT NULL AND EXISTS (SELECT FROM lh_task WHERE lh_task.agent = queued.agent AND status = 'queued' AND not_before_at_ms <= $1)`,
    atMs,
  );
  return rows.map((row) => String(row["agent"]));
}

/** The agents of which a task came of age at an instant in this time. */
export async function listAgentsDue(db: PostgresSession, afterMs: number, atMs: number): Promise<readonly string[]> {
  return (await db.all("SELECT DISTINCT agent FROM lh_task WHERE status = 'queued' AND not_before_at_ms > $1 AND not_before_at_ms <= $2", afterMs, atMs)).map((row) => String(row["agent"]));
}

export interface OverdueTask {
  readonly id: string;
  readonly serial: number;
  readonly deadlineAtMs: number;
}

/** Unfinished tasks whose deadline has come, behind this one in their order. */
export async function listOverdue(db: PostgresSession, atMs: number, after: OverdueTask | null, limit: number): Promise<readonly OverdueTask[]> {
  const rows = await db.all(
    "SELECT id, serial, deadline_at_ms FROM lh_task WHERE ended_at_ms IS NULL AND deadline_at_ms <= $1 AND deadline_at_ms >= $2 AND (deadline_at_ms > $2 OR serial > $3) ORDER BY deadline_at_ms, serial LIMIT $4",
    atMs, after?.deadlineAtMs ?? Number.MIN_SAFE_INTEGER, after?.serial ?? 0, limit,
  );
  return rows.map((row) => ({ id: String(row["id"]), serial: Number(row["serial"]), deadlineAtMs: Number(row["deadline_at_ms"]) }));
}

/** Runs of these agents that other code than this could not go on with, by their serials whatever their agent. */
export async function lockParkedByOtherVersion(db: PostgresSession, agents: readonly { readonly name: string; readonly codeVersion: string }[]): Promise<readonly StoredTask[]> {
  return await all(
    db,
    `SELECT lh_task.* FROM unnest($1::text[], $2::text[]) AS known (agent, code_version) JOIN lh_task ON lh_task.agent = known.agent JOIN lh_run ON lh_run.id = lh_task.run_id
     WHERE lh_task.status = 'waiting' AND lh_task.waiting_reason = 'code-mismatch' AND lh_run.parked_version <> known.code_version ORDER BY lh_task.serial FOR UPDATE OF lh_task`,
    agents.map(({ name }) => name), agents.map(({ codeVersion }) => codeVersion),
  );
}

/** Unfinished tasks that a run called, by their serials. */
export async function lockChildren(db: PostgresSession, runId: string): Promise<readonly StoredTask[]> {
  return await all(db, "SELECT * FROM lh_task WHERE parent_run_id = $1 AND ended_at_ms IS NULL ORDER BY serial FOR UPDATE", runId);
}

/** The next instant at which a queued task may start or an unfinished one is overdue. */
export async function nextTaskInstantMs(db: PostgresSession, afterMs: number): Promise<number | null> {
  const row = await db.get(
    `SELECT least((SELECT not_before_at_ms FROM lh_task WHERE status = 'queued' AND not_before_at_ms > $1 ORDER BY not_before_at_ms LIMIT 1),
       (SELECT min(deadline_at_ms) FROM lh_task WHERE ended_at_ms IS NULL)) AS at`,
    afterMs,
  );
  return numberOrNull(row?.["at"]);
}

/** The task as the port shows it. */
export function toTask(stored: StoredTask): Task {
  const { recoveriesWithoutProgress: _, outOfMemoryWithoutProgress: __, serial: ___, activation: ____, attempt: _____, suspended: ______, claim: _______, codeVersion: ________, activeMs: _________, ...task } = stored;
  return task;
}

async function first(db: PostgresSession, sql: string, ...values: readonly PostgresValue[]): Promise<StoredTask | null> {
  const row = await db.get(sql, ...values);
  return row === undefined ? null : ((await tasksFromRows(db, [row]))[0] ?? null);
}

async function all(db: PostgresSession, sql: string, ...values: readonly PostgresValue[]): Promise<readonly StoredTask[]> {
  return await tasksFromRows(db, await db.all(sql, ...values));
}

async function tasksFromRows(db: PostgresSession, rows: readonly PostgresRow[]): Promise<readonly StoredTask[]> {
  const inputs = await loadJson(db, rows.map((row) => String(row["input"])));
  const ends = await loadJson(db, rows.map((row) => textOrNull(row["ended_as"]) ?? "null"));
  return rows.map((row, index) => taskFromRow(row, inputs[index] ?? null, ends[index] ?? null));
}

function taskFromRow(row: PostgresRow, input: Json, end: Json): StoredTask {
  return {
    id: String(row["id"]),
    agent: String(row["agent"]),
    input,
    key: textOrNull(row["key"]),
    priority: Number(row["priority"]),
    notBeforeAtMs: Number(row["not_before_at_ms"]),
    deadlineAtMs: Number(row["deadline_at_ms"]),
    depth: Number(row["depth"]),
    source: String(row["source"]),
    doubts: doubtsFromText(row["doubts"]),
    status: row["status"] as TaskStatus,
    waitingReason: textOrNull(row["waiting_reason"]) as WaitingReason | null,
    createdAtMs: Number(row["created_at_ms"]),
    startedAtMs: numberOrNull(row["started_at_ms"]),
    endedAtMs: numberOrNull(row["ended_at_ms"]),
    statusSinceMs: Number(row["status_since_ms"]),
    openSinceMs: Number(row["open_since_ms"]),
    runId: textOrNull(row["run_id"]),
    parentRunId: textOrNull(row["parent_run_id"]),
    recoveries: Number(row["recoveries"]),
    recoveriesWithoutProgress: Number(row["recoveries_without_progress"]),
    outOfMemoryWithoutProgress: Number(row["out_of_memory_without_progress"]),
    serial: Number(row["serial"]),
    activation: Number(row["activation"]),
    attempt: Number(row["attempt"]),
    suspended: row["suspended"] === true,
    claim: textOrNull(row["claim"]),
    codeVersion: textOrNull(row["code_version"]),
    activeMs: Number(row["active_ms"]),
    end: end as unknown as TaskEnd | null,
  };
}

/** The text that a row keeps for one JSON text. */
export async function storeOne(db: PostgresSession, text: string): Promise<string> {
  return (await storeJson(db, [text]))[0] ?? text;
}

export function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
