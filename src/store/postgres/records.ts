import { assert } from "../../base/assert.ts";
import { LonghaulError } from "../../base/error.ts";
import type { JsonObject } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/postgres-payload.ts";
import type { PostgresRow, PostgresSession, PostgresValue } from "../../db/postgres.ts";
import type { EventType, LogRecord } from "../../record/log-record.ts";
import type { AgentUsage, RecordFilter, RecordStore, StoredRecord } from "../store.ts";
import { tellFollowers } from "./follow-records.ts";

type UsageWindow = Parameters<RecordStore["usageByAgent"]>[0];

const limitDefault = 100;
const limitMax = 10_000;

/*
 * A reader that follows the log asks for what stands after the last position that it saw. A position must therefore never become visible after a higher one has:
 * whoever writes records holds this lock from before it draws the first position until after its commit is visible. It is taken last in a transaction and held
 * for one insert and the commit; many records share it. The number only tells it from other locks.
 * A process that stands still while it has the lock loses its transaction after half a second: of one that hangs, as many as wait for it may get it one after the other.
 */
export const lockPositions = "SELECT pg_advisory_xact_lock(1819828323, hashtext(current_schema())), set_config('idle_in_transaction_session_timeout', '500', true)";
const lockPositionsAndTell = `${lockPositions}, ${tellFollowers}`;

const columns = `id, at_ms, timestamp, team, agent_id, agent_version, task_id, run_id, step, attempt, event_type, tool_name, tool_args, result, duration_ms, tokens_used,
  cost_micro_usd, reason, simulated, data`;
// Positions are drawn in the order of the sort.
const insertRecords = `INSERT INTO lh_record (${columns})
  SELECT ${columns} FROM unnest($1::text[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int8[], $10::int8[], $11::text[],
    $12::text[], $13::text[], $14::text[], $15::int8[], $16::int8[], $17::int8[], $18::text[], $19::boolean[], $20::text[]) WITH ORDINALITY AS new (${columns}, place)
  ORDER BY place ON CONFLICT DO NOTHING`;

// Only calls are counted: a record of a task or run that repeats their sum must not count twice.
// Of records that are forgotten the hours are left, of which those count that begin in the window.
const selectUsage = `SELECT agent_id, sum(model_calls)::float8 AS model_calls, sum(tool_calls)::float8 AS tool_calls, sum(tool_errors)::float8 AS tool_errors,
    coalesce(sum(tokens), 0)::float8 AS tokens, coalesce(sum(cost_micro_usd), 0)::float8 AS cost_micro_usd FROM (
    SELECT agent_id, (event_type = 'model_call')::int AS model_calls, (event_type = 'tool_call')::int AS tool_calls, (event_type = 'tool_call' AND result IS NOT DISTINCT FROM 'error')::int AS tool_errors, tokens_used AS tokens, cost_micro_usd
    FROM lh_record WHERE event_type IN ('model_call', 'tool_call') AND at_ms >= $1 AND at_ms < $2 AND agent_id IS NOT NULL
    UNION ALL SELECT agent_id, model_calls, tool_calls, tool_errors, tokens, cost_micro_usd FROM lh_usage_hour WHERE hour_ms >= $1 AND hour_ms < $2) AS used
  GROUP BY agent_id ORDER BY agent_id COLLATE "C"`;

/** The value of each column, in their order. The texts of tool_args and data hold their JSON whole. */
export type RecordRow = readonly (string | number | boolean | null)[];
const toolArgs = 12;
const data = 19;

/** What a record comes to in the table. A timestamp that is none is a bug of ours; nothing else is refused. */
export function toRecordRow(record: LogRecord): RecordRow {
  const atMs = Date.parse(record.timestamp);
  assert(Number.isFinite(atMs), `record ${record.id} has the timestamp ${JSON.stringify(record.timestamp)}`);
  return [
    record.id, atMs, record.timestamp, record.team, record.agent_id, record.agent_version, record.task_id, record.run_id, toWhole(record.step), toWhole(record.attempt),
    record.event_type, record.tool_name, record.tool_args === null ? null : JSON.stringify(record.tool_args), record.result, toWhole(record.duration_ms),
    toWhole(record.tokens_used), toWhole(record.cost_micro_usd), record.reason, record.simulated, JSON.stringify(record.data),
  ];
}

/** Appends records in their order, each once per id (S1), by one statement. To be called last in a transaction. */
export async function appendRecords(tx: PostgresSession, rows: readonly RecordRow[]): Promise<void> {
  if (rows.length === 0) return;
  const texts = await storeJson(tx, rows.flatMap((row) => [String(row[toolArgs]), String(row[data])]));
  await tx.run(lockPositionsAndTell);
  const lists = (rows[0] ?? []).map((_, column) =>
    rows.map((row, index) => {
      if (column === data) return texts[2 * index + 1] ?? null;
      return column === toolArgs && row[column] !== null ? (texts[2 * index] ?? null) : (row[column] ?? null);
    }),
  );
  await tx.run(insertRecords, ...lists);
}

/** Records that satisfy every field of the filter, oldest first. @throws {OPTION_INVALID} for a limit out of range. */
export async function queryRecords(session: PostgresSession, filter: RecordFilter): Promise<readonly StoredRecord[]> {
  const { limit = limitDefault, take = "newest" } = filter;
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    throw new LonghaulError("OPTION_INVALID", `limit is ${limit}. Use a whole number from 1 to ${limitMax}.`);
  }
  const conditions = conditionsOf(filter);
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.map(({ sql }, index) => sql.replaceAll("?", `$${index + 1}`)).join(" AND ")}`;
  const chosen = `SELECT position, ${columns} FROM lh_record ${where} ORDER BY position ${take === "newest" ? "DESC" : "ASC"} LIMIT $${conditions.length + 1}`;
  const rows = await session.all(`SELECT * FROM (${chosen}) AS chosen ORDER BY position`, ...conditions.map(({ value }) => value), limit);
  const loaded = await loadJson(session, rows.flatMap((row) => [String(row["tool_args"]), String(row["data"])]));
  return rows.map((row, index) => toStoredRecord(row, loaded[2 * index] as JsonObject | null, loaded[2 * index + 1] as JsonObject));
}

/** Calls, tokens and cost of each agent that called a model or a tool in the window; `untilMs` is exclusive. */
export async function selectUsageByAgent(session: PostgresSession, { sinceMs, untilMs }: UsageWindow): Promise<readonly AgentUsage[]> {
  return (await session.all(selectUsage, sinceMs, untilMs)).map((row) => ({
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
  readonly value: PostgresValue;
}

function conditionsOf(filter: RecordFilter): readonly Condition[] {
  const conditions: Condition[] = [];
  const add = (sql: string, value: PostgresValue | undefined): void => {
    if (value !== undefined) conditions.push({ sql, value });
  };
  add("agent_id = ?", filter.agent);
  add("task_id = ?", filter.taskId);
  add("run_id = ?", filter.runId);
  add("event_type = ANY (?::text[])", filter.eventTypes);
  add("left(tool_name, 100) = left(?, 100) AND tool_name = ?", filter.toolName);
  add("result = ?", filter.result);
  add("at_ms >= ?", filter.sinceMs);
  add("at_ms < ?", filter.untilMs);
  add("duration_ms >= ?", filter.durationMsMin);
  add("position > ?", filter.afterPosition);
  return conditions;
}

/** A fact never refuses a commit: a measure that is no whole number is rounded, one that is no number is left out. */
function toWhole(value: number | null): number | null {
  const rounded = value === null ? Number.NaN : Math.round(value);
  return Number.isSafeInteger(rounded) ? rounded : null;
}

function toStoredRecord(row: PostgresRow, args: JsonObject | null, contents: JsonObject): StoredRecord {
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
    tool_args: args,
    result: row["result"] as string | null,
    duration_ms: row["duration_ms"] as number | null,
    tokens_used: row["tokens_used"] as number | null,
    cost_micro_usd: row["cost_micro_usd"] as number | null,
    reason: row["reason"] as string | null,
    simulated: row["simulated"] === true,
    data: contents,
  };
  return { position: Number(row["position"]), record };
}
