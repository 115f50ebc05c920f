import { assert } from "../../base/assert.ts";
import { LonghaulError } from "../../base/error.ts";
import type { JsonObject } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/payload.ts";
import type { Row, SqlInput, SqliteDatabase } from "../../db/sqlite.ts";
import { type EventType, eventTypes, type LogRecord } from "../../record/log-record.ts";
import type { AgentUsage, RecordFilter, RecordStore, StoredRecord } from "../store.ts";

type UsageWindow = Parameters<RecordStore["usageByAgent"]>[0];

const limitDefault = 100;
const limitMax = 10_000;

const factColumns = "id, at_ms, timestamp, team, agent_id, agent_version, task_id, run_id, event_type, result, duration_ms, reason, simulated, data";
/** What most records leave null: they were no steps. */
const stepColumns = "step, attempt, tool_name, tool_args, tokens_used, cost_micro_usd";
const insertFact = `INSERT INTO lh_record (${factColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`;
const insertStep = `INSERT INTO lh_record (${factColumns}, ${stepColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`;

// Only calls are counted: a record of a task or run that repeats their sum must not count twice.
// Of records that are forgotten the hours are left, of which those count that begin in the window.
const selectUsage = `SELECT agent_id, sum(model_calls) AS model_calls, sum(tool_calls) AS tool_calls, sum(tool_errors) AS tool_errors, total(tokens) AS tokens, total(cost_micro_usd) AS cost_micro_usd FROM (
    SELECT agent_id, event_type = 'model_call' AS model_calls, event_type = 'tool_call' AS tool_calls, event_type = 'tool_call' AND result IS 'error' AS tool_errors, tokens_used AS tokens, cost_micro_usd
    FROM lh_record WHERE event_type IN ('model_call', 'tool_call') AND at_ms >= ?1 AND at_ms < ?2 AND agent_id IS NOT NULL
    UNION ALL SELECT agent_id, model_calls, tool_calls, tool_errors, tokens, cost_micro_usd FROM lh_usage_hour WHERE hour_ms >= ?1 AND hour_ms < ?2)
  GROUP BY agent_id ORDER BY agent_id`;

/** Appends one record, once per id (S1). */
export function appendRecord(db: SqliteDatabase, record: LogRecord): void {
  const atMs = instantOf(record.timestamp);
  assert(Number.isFinite(atMs), `record ${record.id} has the timestamp ${JSON.stringify(record.timestamp)}`);
  const fact = [
    record.id, atMs, record.timestamp, record.team, record.agent_id, record.agent_version, record.task_id, record.run_id, record.event_type, record.result,
    toWhole(record.duration_ms), record.reason, record.simulated ? 1 : 0, storeJson(db, JSON.stringify(record.data)),
  ] as const;
  if (record.step === null && record.attempt === null && record.tool_name === null && record.tool_args === null && record.tokens_used === null && record.cost_micro_usd === null) {
    db.run(insertFact, ...fact);
    return;
  }
  const toolArgs = record.tool_args === null ? null : storeJson(db, JSON.stringify(record.tool_args));
  db.run(insertStep, ...fact, toWhole(record.step), toWhole(record.attempt), record.tool_name, toolArgs, toWhole(record.tokens_used), toWhole(record.cost_micro_usd));
}

let last = { text: "", atMs: Number.NaN };

/** As `Date.parse`. Records come in bursts: the instant of the last text is kept. */
function instantOf(text: string): number {
  if (last.text !== text) last = { text, atMs: Date.parse(text) };
  return last.atMs;
}

/**
 * Records that pass every part of the filter, oldest first (S5). `sinceMs` is inclusive, `untilMs` exclusive.
 * @throws {OPTION_INVALID} when the limit is out of its range.
 */
export function queryRecords(db: SqliteDatabase, filter: RecordFilter): readonly StoredRecord[] {
  const { limit = limitDefault, take = "newest" } = filter;
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    throw new LonghaulError("OPTION_INVALID", `limit is ${limit}. Use a whole number from 1 to ${limitMax}, and afterPosition to go on from there.`);
  }
  const conditions = conditionsOf(filter);
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.map(({ sql }) => sql).join(" AND ")}`;
  // Positions first: they are sorted out of the index alone, and only the rows that are wanted are read.
  // The plus keeps SQLite from walking the log from its end when the time of an index leads there at once.
  const order = `${filter.sinceMs === undefined ? "" : "+"}position ${take === "newest" ? "DESC" : "ASC"}`;
  // Not a bare parameter: SQLite compiles a statement anew each time that a value is bound to its LIMIT.
  const positions = `SELECT position FROM lh_record ${where} ORDER BY ${order} LIMIT (0 + ?)`;
  const sql = `SELECT * FROM lh_record WHERE position IN (${positions}) ORDER BY position`;
  return db.all(sql, ...conditions.map(({ value }) => value), limit).map((row) => toStoredRecord(db, row));
}

/** Calls, tokens and cost of each agent that called a model or a tool in the window; `untilMs` is exclusive. */
export function selectUsageByAgent(db: SqliteDatabase, { sinceMs, untilMs }: UsageWindow): readonly AgentUsage[] {
  return db.all(selectUsage, sinceMs, untilMs).map((row) => ({
    agent: String(row["agent_id"]),
    modelCalls: Number(row["model_calls"]),
    toolCalls: Number(row["tool_calls"]),
    toolErrors: Number(row["tool_errors"]),
    tokens: Number(row["tokens"]),
    costMicroUsd: Number(row["cost_micro_usd"]),
  }));
}

interface Condition {
  readonly sql: string;
  readonly value: SqlInput;
}

function conditionsOf(filter: RecordFilter): readonly Condition[] {
  const conditions: Condition[] = [];
  const add = (sql: string, value: SqlInput | undefined): void => {
    if (value !== undefined) conditions.push({ sql, value });
  };
  add("agent_id = ?", filter.agent);
  add("task_id = ?", filter.taskId);
  add("run_id = ?", filter.runId);
  // One text for lists of any length: the statement stays prepared.
  add("event_type IN (SELECT value FROM json_each(?))", eventTypesOf(filter));
  add("tool_name = ?", filter.toolName);
  add("result = ?", filter.result);
  add("at_ms >= ?", filter.sinceMs);
  add("at_ms < ?", filter.untilMs);
  add("duration_ms >= ?", filter.durationMsMin);
  add("position > ?", filter.afterPosition);
  return conditions;
}

const allEventTypes = JSON.stringify(eventTypes);

/** Records are found by their time within what they are about. What names nothing but a beginning is looked for among the records of each type, so that the log needs no index more. */
function eventTypesOf({ eventTypes: wanted, agent, taskId, runId, toolName, sinceMs }: RecordFilter): string | undefined {
  if (wanted !== undefined) return JSON.stringify(wanted);
  const namesOnlyTime = sinceMs !== undefined && (agent ?? taskId ?? runId ?? toolName) === undefined;
  return namesOnlyTime ? allEventTypes : undefined;
}

/** A fact never refuses a commit: a measure that is no whole number is rounded, one that is no number is left out. */
function toWhole(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Math.round(value);
}

function toStoredRecord(db: SqliteDatabase, row: Row): StoredRecord {
  const record: LogRecord = {
    id: String(row["id"]),
    timestamp: String(row["timestamp"]),
    team: String(row["team"]),
    agent_id: row["agent_id"] as string | null,
    agent_version: row["agent_version"] as string | null,
    task_id: row["task_id"] as string | null,
    run_id: row["run_id"] as string | null,
    step: row["step"] as number | null,
    attempt: row["attempt"] as number | null,
    event_type: row["event_type"] as EventType,
    tool_name: row["tool_name"] as string | null,
    tool_args: row["tool_args"] === null ? null : (loadJson(db, String(row["tool_args"])) as JsonObject),
    result: row["result"] as string | null,
    duration_ms: row["duration_ms"] as number | null,
    tokens_used: row["tokens_used"] as number | null,
    cost_micro_usd: row["cost_micro_usd"] as number | null,
    reason: row["reason"] as string | null,
    simulated: row["simulated"] === 1,
    data: loadJson(db, String(row["data"])) as JsonObject,
  };
  return { position: Number(row["position"]), record };
}
