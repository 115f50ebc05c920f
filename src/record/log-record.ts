import { cutText } from "../base/cut-text.ts";
import type { JsonObject } from "../base/json.ts";

export type EventType =
  | "trigger" | "task" | "run" | "phase" | "model_call" | "tool_call" | "verify" | "decision" | "retry" | "breaker" | "park" | "handoff" | "approval"
  | "memory" | "budget" | "progress" | "health" | "alert" | "error" | "control" | "start" | "stop";

export const eventTypes: readonly EventType[] = [
  "trigger", "task", "run", "phase", "model_call", "tool_call", "verify", "decision", "retry", "breaker", "park", "handoff", "approval", "memory", "budget",
  "progress", "health", "alert", "error", "control", "start", "stop",
];

/**
 * One decision, as operators query it. Field names are those of the JSON that users see. Append-only.
 * `id` is derived from (run, kind, name, occurrence, n) where there is a run, so that writing it twice is writing it once.
 */
export interface LogRecord {
  readonly id: string;
  /** ISO-8601 in UTC with milliseconds. */
  readonly timestamp: string;
  readonly team: string;
  readonly agent_id: string | null;
  readonly agent_version: string | null;
  readonly task_id: string | null;
  readonly run_id: string | null;
  readonly step: number | null;
  readonly attempt: number | null;
  readonly event_type: EventType;
  readonly tool_name: string | null;
  readonly tool_args: JsonObject | null;
  /** "success", "error", or what the event came to: "queued", "hollow", "skipped(no-work)". */
  readonly result: string | null;
  readonly duration_ms: number | null;
  readonly tokens_used: number | null;
  readonly cost_micro_usd: number | null;
  readonly reason: string | null;
  /** True when a simulated provider answered. */
  readonly simulated: boolean;
  /** What only this event type has: `{model, promptHead, answerId, usage, finishReason}` of a model call. */
  readonly data: JsonObject;
}

export type RecordFields = Partial<Omit<LogRecord, "id" | "timestamp" | "event_type">> & Pick<LogRecord, "event_type">;

/** A full record from the fields that matter to it; the others are null. A long reason is cut. */
export function toLogRecord(id: string, atMs: number, team: string, fields: RecordFields): LogRecord {
  return {
    agent_id: null, agent_version: null, task_id: null, run_id: null, step: null, attempt: null, tool_name: null, tool_args: null, result: null,
    duration_ms: null, tokens_used: null, cost_micro_usd: null, reason: null, simulated: false, data: {},
    ...fields,
    ...(typeof fields.reason === "string" ? { reason: cutText(fields.reason) } : {}),
    id,
    timestamp: timestampOf(atMs),
    team,
  };
}

let last = { atMs: 0, text: new Date(0).toISOString() };

/** Records come in bursts: the text of the last instant is kept. */
function timestampOf(atMs: number): string {
  if (last.atMs !== atMs) last = { atMs, text: new Date(atMs).toISOString() };
  return last.text;
}
