import { expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import { type RecordFields, toLogRecord } from "../record/log-record.ts";
import type { CompletedStep, StepKind, StepOutcome } from "../record/step.ts";
import { describeResult, type StepRow, stepColumns, toStepRows } from "./step-row.ts";

const step = (number: number, kind: StepKind, outcome: StepOutcome): CompletedStep => ({ number, seq: number, kind, name: `s${number}`, occurrence: 1, attempt: 1, startedAtMs: 1_000, completedAtMs: 1_250, outcome });
const done = (value: Json): StepOutcome => ({ ok: true, value });
const record = (number: number, fields: RecordFields) => toLogRecord(`r/${number}/0`, 1_000, "team", { step: number, ...fields });
const row = (kind: StepKind, outcome: StepOutcome, fields?: RecordFields): StepRow => ({ step: step(1, kind, outcome), records: fields === undefined ? [] : [record(1, fields)] });

it("puts steps in call order, each with its own records", () => {
  const rows = toStepRows([step(2, "tool", done(null)), step(1, "model", done(null))], [record(1, { event_type: "model_call" }), record(2, { event_type: "tool_call" }), record(1, { event_type: "retry" })]);

  expect(rows.map(({ step: { number }, records }) => [number, records.map(({ event_type }) => event_type)])).toEqual([[1, ["model_call", "retry"]], [2, ["tool_call"]]]);
});

it("tells what each kind of step came to", () => {
  const answer = { message: { role: "assistant", parts: [{ type: "text", text: "Looking." }, { type: "tool-call", toolName: "search" }] }, finishReason: "tool-calls" };

  expect(describeResult(row("code", done({ length: 5 })))).toBe('{"length":5}');
  expect(describeResult(row("code", done(null)))).toBe("");
  expect(describeResult(row("model", done(answer), { event_type: "model_call", result: "success" }))).toBe("Looking., calls search");
  expect(describeResult(row("tool", done({ ok: true, value: "two\nlines" })))).toBe("two lines");
  expect(describeResult(row("tool", done({ ok: false, message: "late" }), { event_type: "tool_call", result: "error", reason: "timeout: late" }))).toBe("error: timeout: late");
  expect(describeResult(row("verify", done({ accepted: false, reason: "no sources" })))).toBe("rejected: no sources");
  expect(describeResult(row("child", done({ status: "done", outcome: "verified", output: { a: 1 } })))).toBe('done(verified) {"a":1}');
  expect(describeResult(row("code", { ok: false, failure: { name: "Error", code: null, message: "it broke", retry: "never", details: {}, cause: null } }))).toBe("failed: it broke");
});

it("tells of a step what its own call came to, and not what an earlier one did that was cut off and ended too late", () => {
  const late = record(1, { event_type: "tool_call", result: "error", reason: "failed: aborted", data: { late: true } });
  const own = record(1, { event_type: "tool_call", result: "success" });

  expect(describeResult({ step: step(1, "tool", done({ ok: true, value: "posted" })), records: [late, own] })).toBe("posted");
});

it("takes terminal controls out of a step's name and its tool's, which a model may have chosen", () => {
  const named: StepRow = { step: { ...step(1, "tool", done(null)), name: "t1/tool/\u001B[2J" }, records: [record(1, { event_type: "tool_call", tool_name: "\u001B]0;x\u0007", result: "error" })] };

  expect(stepColumns((_style, text) => text)[2]?.value(named)).toBe("t1/tool/\uFFFD[2J \uFFFD]0;x\uFFFD");
});

it("shows duration, tokens, cost and the tool's name", () => {
  const call = row("tool", done({ ok: true, value: 1 }), { event_type: "tool_call", tool_name: "search", result: "success", tokens_used: 1_200, cost_micro_usd: 1_300 });

  expect(stepColumns((_style, text) => text).map(({ value }) => value(call))).toEqual(["1", "tool", "s1 search", "250 ms", "1,200", "$0.0013", "1"]);
});
