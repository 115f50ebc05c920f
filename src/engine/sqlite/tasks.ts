import { loadJson, storeJson } from "../../db/payload.ts";
import type { SqliteDatabase, Values } from "../../db/sqlite.ts";
import { doubtsFromText, doubtsToText, isEnded, taskStatuses, type NewTask, type Task, type TaskEnd, type TaskStatus, type WaitingReason } from "../../record/task.ts";
import type { TaskFilter } from "../engine.ts";
import type { TaskState } from "../task-rules.ts";
import type { RunIds } from "./journal.ts";

export interface StoredTask extends TaskState {
  /** What rows of its runs refer to. */
  readonly serial: number;
}

const listDefault = 100;
const listMax = 10_000;
/** SQLite plans a statement anew at each use when its limit is a bare parameter; that costs more than the query. */
const limitOf = "LIMIT 0 + ?";

/** In the order in which `taskFromRow` takes them. */
const taskColumns = [
  "id", "agent", "input", "key", "priority", "not_before_at_ms", "deadline_at_ms", "depth", "source", "doubts", "status", "waiting_reason", "created_at_ms", "started_at_ms", "ended_at_ms",
  "status_since_ms", "open_since_ms", "run_id", "parent_run_id", "recoveries", "recoveries_without_progress", "out_of_memory_without_progress", "active_ms", "serial", "end",
];
const selectTask = `SELECT ${taskColumns.map((column) => `lh_task.${column}`).join(", ")}`;
const selectBrief = `SELECT ${taskColumns.map((column) => (column === "input" ? "'null'" : column === "end" ? "NULL" : `lh_task.${column}`)).join(", ")}`;

// Whole texts, not made anew at each use: a statement is found by its text.
const selectTaskById = `${selectTask} FROM lh_task WHERE id = ?`;
/** `isSuspect`, where ?3 is recoveriesIsolatedAbove. */
const suspect = "out_of_memory_without_progress > 0 OR recoveries_without_progress > ?3";
const selectReady = `${selectTask} FROM lh_task WHERE agent = ?1 AND status = 'queued' AND not_before_at_ms <= ?2
    AND (NOT (${suspect}) OR NOT EXISTS (SELECT 1 FROM lh_task WHERE status = 'running' AND (${suspect})))
  ORDER BY (run_id IS NOT NULL) DESC, priority DESC, created_at_ms, rowid LIMIT 0 + ?4`;
const selectChildren = `${selectTask} FROM lh_task WHERE parent_run_id = ? AND ended_at_ms IS NULL ORDER BY rowid`;

export function getTask(db: SqliteDatabase, id: string): StoredTask | null {
  const row = db.getValues(selectTaskById, id);
  return row === undefined ? null : taskFromRow(db, row);
}

const selectTaskOfRun = `${selectTask} FROM lh_run JOIN lh_task ON lh_task.id = lh_run.task_id AND lh_task.run_id = lh_run.id`;

/** The task that this run belongs to, null when it has another run by now. */
export function getTaskOfRun(db: SqliteDatabase, runId: string): StoredTask | null {
  const row = db.getValues(`${selectTaskOfRun} WHERE lh_run.id = ?`, runId);
  return row === undefined ? null : taskFromRow(db, row);
}

/** Like `getTaskOfRun`, by lh_run.serial. */
export function getTaskOfRunSerial(db: SqliteDatabase, run: number): StoredTask | null {
  const row = db.getValues(`${selectTaskOfRun} WHERE lh_run.serial = ?`, run);
  return row === undefined ? null : taskFromRow(db, row);
}

export function insertTask(db: SqliteDatabase, task: NewTask, createdAtMs: number, parentRunId: string | null): StoredTask {
  const { lastId } = db.run(
    `INSERT INTO lh_task (id, agent, input, key, priority, not_before_at_ms, deadline_at_ms, depth, source, doubts, status, created_at_ms, status_since_ms,
       open_since_ms, parent_run_id, recoveries, recoveries_without_progress, out_of_memory_without_progress, active_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, 0, 0, 0, 0)`,
    task.id, task.agent, storeJson(db, JSON.stringify(task.input)), task.key, task.priority, task.notBeforeAtMs, task.deadlineAtMs, task.depth, task.source, doubtsToText(task.doubts), createdAtMs, createdAtMs, createdAtMs, parentRunId,
  );
  return {
    id: task.id, agent: task.agent, input: task.input, key: task.key, priority: task.priority, notBeforeAtMs: task.notBeforeAtMs, deadlineAtMs: task.deadlineAtMs,
    depth: task.depth, source: task.source, doubts: task.doubts ?? [], status: "queued", waitingReason: null, createdAtMs, startedAtMs: null, endedAtMs: null, statusSinceMs: createdAtMs,
    openSinceMs: createdAtMs, runId: null, parentRunId,
    recoveries: 0, recoveriesWithoutProgress: 0, outOfMemoryWithoutProgress: 0, activeMs: 0, end: null, serial: lastId,
  };
}

const movingColumns =
  "status = ?, waiting_reason = ?, started_at_ms = ?, status_since_ms = ?, open_since_ms = ?, run_id = ?, recoveries = ?, recoveries_without_progress = ?, out_of_memory_without_progress = ?, active_ms = ?";
/** A column that is named is written into its indexes again, changed or not: what rarely changes is named only then. */
const updateMoved = `UPDATE lh_task SET ${movingColumns} WHERE serial = ?`;
const updateAll = `UPDATE lh_task SET ${movingColumns}, deadline_at_ms = ?, ended_at_ms = ?, parent_run_id = ?, end = ? WHERE serial = ?`;

/** Writes what has changed of a task that was `before`. */
export function saveTask(db: SqliteDatabase, before: StoredTask, task: StoredTask): void {
  const moving = [
    task.status, task.waitingReason, task.startedAtMs, task.statusSinceMs, task.openSinceMs, task.runId, task.recoveries, task.recoveriesWithoutProgress, task.outOfMemoryWithoutProgress,
    task.activeMs,
  ] as const;
  if (before.end === task.end && before.endedAtMs === task.endedAtMs && before.deadlineAtMs === task.deadlineAtMs && before.parentRunId === task.parentRunId) {
    db.run(updateMoved, ...moving, task.serial);
    return;
  }
  db.run(updateAll, ...moving, task.deadlineAtMs, task.endedAtMs, task.parentRunId, task.end === null ? null : storeJson(db, JSON.stringify(task.end)), task.serial);
}

/** True when there were any. */
export function clearRecoveriesWithoutProgress(db: SqliteDatabase, task: number): boolean {
  return db.run("UPDATE lh_task SET recoveries_without_progress = 0, out_of_memory_without_progress = 0 WHERE serial = ? AND recoveries_without_progress > 0", task).changes > 0;
}

/** True while the task executes this run. */
export function isRunning(db: SqliteDatabase, { taskSerial, runId }: Pick<RunIds, "taskSerial" | "runId">): boolean {
  return db.get("SELECT 1 FROM lh_task WHERE serial = ? AND run_id = ? AND status = 'running'", taskSerial, runId) !== undefined;
}

/** Each status is a walk of an index from one end, so that a list costs what it returns, however many tasks there are. */
export function listTasks(db: SqliteDatabase, { statuses = taskStatuses, agent, limit = listDefault, first = "newest", brief = false }: TaskFilter): readonly Task[] {
  const limitOfAll = Math.max(0, Math.min(limit, listMax));
  // An index holds those of an agent that are open, another one those that have ended.
  const ofAgent = (status: TaskStatus): string => (agent === undefined ? "" : `agent = ? AND ended_at_ms IS ${isEnded(status) ? "NOT NULL" : "NULL"} AND `);
  const order = first === "newest" ? "created_at_ms DESC, rowid DESC" : "created_at_ms, rowid";
  const ofStatus = statuses.map((status) => `SELECT * FROM (SELECT rowid AS place FROM lh_task WHERE ${ofAgent(status)}status = ? ORDER BY ${order} ${limitOf})`);
  if (ofStatus.length === 0) return [];
  const rows = db.allValues(
    `${brief ? selectBrief : selectTask} FROM lh_task WHERE rowid IN (${ofStatus.join(" UNION ALL ")}) ORDER BY ${order} ${limitOf}`,
    ...statuses.flatMap((status) => (agent === undefined ? [status, limitOfAll] : [agent, status, limitOfAll])), limitOfAll,
  );
  return rows.map((row) => toTask(taskFromRow(db, row)));
}

/** Tasks of an agent that were queued and have no run yet. */
export function countQueued(db: SqliteDatabase, agent: string): number {
  return Number(db.get("SELECT count(*) AS n FROM lh_task WHERE agent = ? AND status = 'queued' AND (run_id IS NOT NULL) = 0", agent)?.["n"] ?? 0);
}

export interface ReadyTasks {
  readonly tasks: readonly StoredTask[];
  /** There are others. */
  readonly hasMore: boolean;
}

/** True when a task of this agent is queued, ready or not. */
export function hasQueued(db: SqliteDatabase, agent: string): boolean {
  return db.get("SELECT 1 FROM lh_task WHERE agent = ? AND status = 'queued' LIMIT 1", agent) !== undefined;
}

/** What this agent does next: runs that can go on before new ones, then by priority, then by age. A suspect, only while no other executes. */
export function listReady(db: SqliteDatabase, agent: string, atMs: number, recoveriesIsolatedAbove: number, limit: number): ReadyTasks {
  const rows = db.allValues(selectReady, agent, atMs, recoveriesIsolatedAbove, limit + 1);
  return { tasks: rows.slice(0, limit).map((row) => taskFromRow(db, row)), hasMore: rows.length > limit };
}

/** Unfinished tasks whose deadline has come. */
export function listOverdue(db: SqliteDatabase, atMs: number, limit: number): readonly StoredTask[] {
  return db.allValues(`${selectTask} FROM lh_task WHERE ended_at_ms IS NULL AND deadline_at_ms <= ? ORDER BY deadline_at_ms, rowid LIMIT 0 + ?`, atMs, limit).map((row) => taskFromRow(db, row));
}

/** Tasks that were executing when the last owner of the file went away. */
export function listInterrupted(db: SqliteDatabase, limit: number): readonly StoredTask[] {
  return db.allValues(`${selectTask} FROM lh_task WHERE status = 'running' ORDER BY created_at_ms, rowid LIMIT 0 + ?`, limit).map((row) => taskFromRow(db, row));
}

/** Runs of this agent that other code than this could not go on with. */
export function listParkedByOtherVersion(db: SqliteDatabase, agent: string, codeVersion: string): readonly StoredTask[] {
  const rows = db.allValues(
    `${selectTask} FROM lh_task JOIN lh_run ON lh_run.id = lh_task.run_id
     WHERE lh_task.status = 'waiting' AND lh_task.ended_at_ms IS NULL AND lh_task.waiting_reason = 'code-mismatch' AND lh_task.agent = ? AND lh_run.parked_version <> ?`,
    agent, codeVersion,
  );
  return rows.map((row) => taskFromRow(db, row));
}

/** Unfinished tasks that a run called. */
export function listChildren(db: SqliteDatabase, runId: string): readonly StoredTask[] {
  return db.allValues(selectChildren, runId).map((row) => taskFromRow(db, row));
}

/** The next instant at which a queued task may start or an unfinished one is overdue. */
export function nextTaskInstantMs(db: SqliteDatabase, afterMs: number): number | null {
  const start = db.get("SELECT not_before_at_ms AS at FROM lh_task WHERE status = 'queued' AND not_before_at_ms > 0 AND not_before_at_ms > ? ORDER BY not_before_at_ms LIMIT 1", afterMs)?.["at"];
  const deadline = db.get("SELECT min(deadline_at_ms) AS at FROM lh_task WHERE ended_at_ms IS NULL")?.["at"];
  const instants = [start, deadline].filter((at) => typeof at === "number");
  return instants.length === 0 ? null : Math.min(...instants);
}

/** The task as the port shows it. */
export function toTask(stored: StoredTask): Task {
  // Named one by one: this is done at every change, and leaving fields out of a copy costs several times as much.
  const { id, agent, input, key, priority, notBeforeAtMs, deadlineAtMs, depth, source, doubts, status, waitingReason, createdAtMs, startedAtMs, endedAtMs, statusSinceMs, openSinceMs, runId, parentRunId, recoveries, end } = stored;
  return { id, agent, input, key, priority, notBeforeAtMs, deadlineAtMs, depth, source, doubts, status, waitingReason, createdAtMs, startedAtMs, endedAtMs, statusSinceMs, openSinceMs, runId, parentRunId, recoveries, end };
}

function taskFromRow(db: SqliteDatabase, row: Values): StoredTask {
  const [
    id, agent, input, key, priority, notBeforeAtMs, deadlineAtMs, depth, source, doubts, status, waitingReason, createdAtMs, startedAtMs, endedAtMs,
    statusSinceMs, openSinceMs, runId, parentRunId, recoveries, recoveriesWithoutProgress, outOfMemoryWithoutProgress, activeMs, serial, end,
  ] = row;
  return {
    id: String(id),
    agent: String(agent),
    input: loadJson(db, String(input)),
    key: textOrNull(key),
    priority: Number(priority),
    notBeforeAtMs: Number(notBeforeAtMs),
    deadlineAtMs: Number(deadlineAtMs),
    depth: Number(depth),
    source: String(source),
    doubts: doubtsFromText(doubts),
    status: status as TaskStatus,
    waitingReason: textOrNull(waitingReason) as WaitingReason | null,
    createdAtMs: Number(createdAtMs),
    startedAtMs: numberOrNull(startedAtMs),
    endedAtMs: numberOrNull(endedAtMs),
    statusSinceMs: Number(statusSinceMs),
    openSinceMs: Number(openSinceMs),
    runId: textOrNull(runId),
    parentRunId: textOrNull(parentRunId),
    recoveries: Number(recoveries),
    recoveriesWithoutProgress: Number(recoveriesWithoutProgress),
    outOfMemoryWithoutProgress: Number(outOfMemoryWithoutProgress),
    activeMs: Number(activeMs),
    serial: Number(serial),
    end: typeof end === "string" ? (loadJson(db, end) as unknown as TaskEnd) : null,
  };
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
