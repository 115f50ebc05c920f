import { formatDuration } from "../../src/base/duration.ts";
import type { LogRecord } from "../../src/record/log-record.ts";

/** What a run did about a fault, from its records, in order; the same thing twice in a row is said once. */
export function describeRun(records: readonly LogRecord[], { deaths, stops }: { readonly deaths: number; readonly stops: number }): readonly string[] {
  const ordered = records.toSorted((left, right) => left.timestamp.localeCompare(right.timestamp));
  const entries = ordered.flatMap((record, index) => describe(record, ordered.slice(index + 1)));
  return [...(deaths === 0 ? [] : [times("process died", deaths)]), ...(stops === 0 ? [] : [times("process stopped", stops)]), ...joinRepeated(entries)];
}

const approvals: Readonly<Record<string, string>> = { asked: "asks a person", allowed: "a person allows it", denied: "a person refuses it", expired: "nobody answers in time", late: "told of a late result" };
const decisions: Readonly<Record<string, readonly string[]>> = { fallback: ["another model answers"], compensated: ["undone"] };

function describe(record: LogRecord, following: readonly LogRecord[]): readonly string[] {
  const { event_type: type, result, tool_name: tool, data } = record;
  switch (type) {
    case "retry":
      return ["retry"];
    case "task":
      return result?.startsWith("waiting") === true ? [`${result} ${lengthOf(record, following)}`.trim()] : [];
    case "model_call":
      return result === "error" ? [codeOf(data["code"])] : [];
    case "error":
      return [codeOf(data["code"])];
    case "tool_call":
      return result === "error" ? [`${tool ?? "tool"} failed`] : [];
    case "verify":
      return result === "rejected" ? ["rejected by verify"] : [];
    case "breaker":
    case "park":
    case "budget":
      return [`${type} ${result ?? ""}`.trim()];
    case "approval":
      return [approvals[result ?? ""] ?? "a person decides"];
    case "decision":
      return decisions[result ?? ""] ?? [];
    case "control":
      return [`control ${result ?? ""}`.trim()];
    default:
      return [];
  }
}

/** How long a wait lasted; nothing while it lasts. */
function lengthOf(wait: LogRecord, following: readonly LogRecord[]): string {
  const next = following.find(({ event_type: type }) => type === "task" || type === "run");
  if (next === undefined) return "";
  return formatDuration(Math.max(0, Date.parse(next.timestamp) - Date.parse(wait.timestamp)));
}

function codeOf(code: unknown): string {
  return typeof code === "string" ? code : "error";
}

function joinRepeated(entries: readonly string[]): readonly string[] {
  const joined: { readonly entry: string; count: number }[] = [];
  for (const entry of entries) {
    const last = joined.at(-1);
    if (last?.entry === entry) last.count++;
    else joined.push({ entry, count: 1 });
  }
  return joined.map(({ entry, count }) => times(entry, count));
}

function times(what: string, count: number): string {
  return count === 1 ? what : `${what} ×${count}`;
}
