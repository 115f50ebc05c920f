import { expect, it } from "vitest";
import { type RecordFields, toLogRecord } from "../record/log-record.ts";
import { describeRecord, isNoteworthy } from "./describe-record.ts";
import { formatRecordLine } from "./record-line.ts";

const record = (fields: RecordFields) => toLogRecord("r_1/1/0", Date.UTC(2026, 0, 15, 10, 23, 45, 120), "prospecting", { agent_id: "sourcing", ...fields });
const plain = { style: (_style: unknown, text: string): string => text, placed: (text: string): string => text };

it("tells a tool call in one line: time, agent, what, how long, with which arguments", () => {
  const call = record({ event_type: "tool_call", tool_name: "search", tool_args: { query: "AI\nstartups" }, result: "success", duration_ms: 234 });

  expect(formatRecordLine(call, plain, { isClockTime: false, columns: null })).toBe('2026-01-15T10:23:45.120Z  sourcing      tool search  234 ms  {"query":"AI\\nstartups"}');
  expect(formatRecordLine(call, plain, { isClockTime: false, columns: 72 })).toBe('2026-01-15T10:23:45.120Z  sourcing      tool search  234 ms  {"query":…');
  expect(formatRecordLine(call, plain, { isClockTime: false, columns: 40 })).toBe("2026-01-15T10:23:45.120Z  sourcing      tool search  234 ms");
});

it("tells tokens, cost and that a provider is simulated", () => {
  const call = record({ event_type: "model_call", result: "success", duration_ms: 1500, tokens_used: 12_345, cost_micro_usd: 1350, simulated: true, data: { model: "anthropic/claude" } });

  expect(describeRecord(call)).toMatchObject({ tone: "plain", what: "model", detail: "anthropic/claude", measures: ["1.5 s", "12,345 tokens", "$0.0014", "simulated"] });
});

it("shows failures as bad, with their reason, and takes terminal controls out of it", () => {
  const call = record({ event_type: "tool_call", tool_name: "search", result: "error", reason: "timeout: \u001B[2Jtook 60 s" });

  expect(describeRecord(call)).toMatchObject({ tone: "bad", what: "tool search error", reason: "timeout: \uFFFD[2Jtook 60 s" });
});

it("tells what a call came to after it was given up from what the step came to", () => {
  expect(describeRecord(record({ event_type: "tool_call", tool_name: "post", result: "error", reason: "failed: aborted", data: { late: true } })).what).toBe("tool post error (late)");
});

it("takes terminal controls out of the name of a tool, which a model may have made up", () => {
  expect(describeRecord(record({ event_type: "tool_call", tool_name: "\u001B[2Jrm", result: "error" })).what).toBe("tool \uFFFD[2Jrm error");
});

it("says only once that something is tried again", () => {
  expect(describeRecord(record({ event_type: "retry", result: "retry", reason: "no network" }))).toMatchObject({ what: "retry", reason: "no network", tone: "attention" });
});

it("asks for attention where a human is waited for", () => {
  expect(describeRecord(record({ event_type: "task", result: "waiting(unknown-effect)" })).tone).toBe("attention");
  expect(describeRecord(record({ event_type: "task", result: "done(verified)", data: { output: { a: 1 } } }))).toMatchObject({ tone: "good", detail: '{"a":1}' });
});

it("leaves out what only takes its course", () => {
  const shown = (fields: RecordFields): boolean => isNoteworthy(record(fields));

  expect([shown({ event_type: "task", result: "running" }), shown({ event_type: "verify", result: "accepted" }), shown({ event_type: "trigger", result: "skipped(no-work)" })]).toEqual([false, false, false]);
  expect([shown({ event_type: "task", result: "queued", data: { source: "run r_1" } }), shown({ event_type: "task", result: "queued", data: { source: "api" } })]).toEqual([false, true]);
  expect([shown({ event_type: "task", result: "dead(failed)" }), shown({ event_type: "verify", result: "rejected" }), shown({ event_type: "trigger", result: "skipped(invalid-event)" })]).toEqual([true, true, true]);
});
