import { formatDuration } from "../base/duration.ts";
import { formatUsd } from "../base/money.ts";
import type { LogRecord } from "../record/log-record.ts";
import { printableLine } from "./printable.ts";

/** How much a record matters to somebody who watches. */
export type Tone = "good" | "bad" | "attention" | "plain" | "quiet";

/** A record as one line for people, still in its parts. */
export interface RecordLine {
  readonly tone: Tone;
  readonly agent: string;
  /** "tool fetch_page", "task done(verified)". */
  readonly what: string;
  /** Arguments, name of the model: what may be cut. */
  readonly detail: string;
  /** "234 ms", "450 tokens", "$0.0013". */
  readonly measures: readonly string[];
  readonly reason: string;
}

const detailLengthMax = 200;

export function describeRecord(record: LogRecord): RecordLine {
  return {
    tone: toneOf(record),
    agent: record.agent_id ?? record.team,
    what: printableLine([nounOf(record), saysNothingMore(record) ? "" : (record.result ?? ""), record.data["late"] === true ? "(late)" : ""].join(" ")),
    detail: printableLine(detailOf(record)).slice(0, detailLengthMax),
    measures: [
      ...(record.duration_ms === null ? [] : [formatDuration(record.duration_ms)]),
      ...(record.tokens_used === null ? [] : [`${record.tokens_used.toLocaleString("en-US")} tokens`]),
      ...(record.cost_micro_usd === null ? [] : [formatUsd(record.cost_micro_usd)]),
      ...(record.simulated ? ["simulated"] : []),
    ],
    reason: printableLine(record.reason ?? ""),
  };
}

/** False for records that only say that things take their course: they are counted in the status, not printed one by one. */
export function isNoteworthy(record: LogRecord): boolean {
  switch (record.event_type) {
    case "task":
      return record.result === "queued" ? isAskedFromOutside(record) : record.result !== "running" && record.result !== "waiting(child)" && record.result !== "waiting(timer)";
    case "trigger":
      return !["ran", "coalesced", "skipped(no-work)"].includes(record.result ?? "");
    case "verify":
      return record.result !== "accepted";
    case "health":
      return record.data["bad"] === true || typeof record.data["degraded"] === "string";
    case "run":
      return record.result === "limit-near";
    case "approval":
      return record.result !== "tools-pinned";
    // The program says itself that it starts and stops.
    case "start":
    case "stop":
    case "progress":
    case "memory":
      return false;
    default:
      return true;
  }
}

/** A task that a trigger, a person or an application started; not one that a run called, nor one that is queued again. */
function isAskedFromOutside({ data }: LogRecord): boolean {
  return typeof data["source"] === "string" && !data["source"].startsWith("run ");
}

function nounOf({ event_type, tool_name }: LogRecord): string {
  const noun = { model_call: "model", tool_call: "tool" }[event_type as string] ?? event_type;
  return tool_name === null ? noun : `${noun} ${tool_name}`;
}

/** True for the result that every call should have, and for one that only repeats the type. */
function saysNothingMore({ event_type, result }: LogRecord): boolean {
  return result === event_type || (result === "success" && (event_type === "tool_call" || event_type === "model_call"));
}

function detailOf({ event_type, tool_args, data }: LogRecord): string {
  if (tool_args !== null) return JSON.stringify(tool_args);
  const { model, event, to, input, output, source } = data;
  if (event_type === "model_call" && typeof model === "string") return model;
  if (event_type === "handoff") return typeof event === "string" ? event : typeof to === "string" ? `to ${to}` : "";
  if (event_type !== "task") return "";
  if (output !== undefined && output !== null) return JSON.stringify(output);
  return source !== undefined && input !== undefined && input !== null ? JSON.stringify(input) : "";
}

const badResults = /^(error|dead|stalled|hollow|missed|down|stuck-waiting|looping)/;
/** Of a process that was started again. */
const badEnds: readonly string[] = ["killed", "crashed", "blocked", "refused"];
const attentionResults = /^(limit-near|fallback|done\(degraded|waiting\((human|unknown-effect|budget|rate-limit|concurrency|retry|breaker|code-mismatch)|refused|rejected|asked|tool-changed|denied|expired|retry|deferred|canceled)/;

function toneOf({ event_type, result }: LogRecord): Tone {
  const text = result ?? "";
  if (event_type === "error" || badResults.test(text) || (event_type === "stop" && badEnds.includes(text))) return "bad";
  if (event_type === "alert" && text === "delivered") return "quiet";
  if (event_type === "alert" || attentionResults.test(text)) return "attention";
  if (event_type === "task") return text.startsWith("done") ? "good" : "quiet";
  return event_type === "trigger" || event_type === "park" || event_type === "start" || event_type === "stop" ? "quiet" : "plain";
}
