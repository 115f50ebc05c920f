import { LonghaulError, messageOf } from "../base/error.ts";
import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import type { StepExecution, StepEnd } from "../engine/engine.ts";
import type { ToolCallPart, ToolResultPart } from "../record/message.ts";
import type { Write } from "../record/write.ts";
import type { Tool, ToolCallOptions, ToolResult } from "../tool/tool.ts";
import { type Parked, parkedToJson, parseParked } from "./parked.ts";
import { recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

/**
 * One tool call as durable steps.
 *
 * Invariants:
 *  T1 the intent of a `once` call is on disk before the call;
 *  T2 a `once` call whose outcome is unknown is never made again without its reconcile or a human's word;
 *  T3 a tool's failure is a result that the model reads, never a crash of the run.
 */
export async function callTool(scope: RunScope, name: string, call: ToolCallPart, tools: () => Promise<readonly Tool[]>): Promise<ToolResultPart> {
  for (;;) {
    const value = await scope.engine.step({ kind: "tool", name }, (execution) => toolStep(scope, execution, call, tools));
    const parked = parseParked(value);
    if (parked === null) return toResultPart(call, value);
    const settled = await waitForDecision(scope, name, parked);
    if (settled !== null) return toResultPart(call, settled);
  }
}

async function toolStep(scope: RunScope, execution: StepExecution, call: ToolCallPart, tools: () => Promise<readonly Tool[]>): Promise<StepEnd> {
  const tool = (await tools()).find((candidate) => candidate.name === call.toolName);
  if (!tool) {
    const known = (await tools()).map((candidate) => candidate.name).join(", ");
    return finish(scope, execution, call, { ok: false, kind: "invalid-input", message: `There is no tool "${call.toolName}". Use one of: ${known}.` }, 0, []);
  }
  const startedMs = scope.services.clock.monotonicMs();
  const options: ToolCallOptions = { signal: execution.signal, idempotencyKey: execution.idempotencyKey, taskId: scope.engine.task.id, runId: scope.engine.runId };
  if (tool.effect !== "once") {
    const result = await tool.call(call.input, options);
    throwIfCanceled(result, execution);
    return finish(scope, execution, call, result, scope.services.clock.monotonicMs() - startedMs, []);
  }
  return onceStep(scope, execution, call, tool, options, startedMs);
}

async function onceStep(scope: RunScope, execution: StepExecution, call: ToolCallPart, tool: Tool, options: ToolCallOptions, startedMs: number): Promise<StepEnd> {
  const { effects } = scope.services.store;
  const effect = { key: execution.idempotencyKey, toolName: tool.name, taskId: options.taskId, runId: options.runId, atMs: scope.services.clock.now() };
  const done = (result: ToolResult): StepEnd =>
    finish(scope, execution, call, result, scope.services.clock.monotonicMs() - startedMs, [{ type: "effect.complete", key: effect.key, result: resultToJson(result) }]);

  const intent = await effects.intend(effect);
  if (intent.state === "completed") return done(parseResult(intent.result));
  if (intent.state === "unknown") {
    const earlier = await reconcile(tool, call.input, options);
    if (earlier === null) return park(scope, execution, call, "an earlier attempt was interrupted");
    if (earlier.happened) return done(earlier.result);
  }
  const result = await tool.call(call.input, options);
  throwIfCanceled(result, execution);
  if (!isUncertain(result)) return done(result);
  const looked = await reconcile(tool, call.input, options);
  if (looked === null) return park(scope, execution, call, result.message);
  return done(looked.happened ? looked.result : result);
}

type Known = { readonly happened: true; readonly result: ToolResult } | { readonly happened: false } | null;

/** What the tool itself says of an interrupted call; null when it cannot say. */
async function reconcile(tool: Tool, input: Json, options: ToolCallOptions): Promise<Known> {
  if (!tool.reconcile) return null;
  try {
    const answer = await tool.reconcile(input, options);
    if (answer.happened === "unknown") return null;
    return answer.happened ? { happened: true, result: { ok: true, value: answer.value } } : { happened: false };
  } catch (error) {
    if (options.signal.aborted) throw error;
    return null; // A reconcile that fails knows nothing; a human decides.
  }
}

/** A call that was cut off may have happened. */
function isUncertain(result: ToolResult): result is Extract<ToolResult, { ok: false }> {
  return !result.ok && (result.kind === "timeout" || result.kind === "unavailable");
}

function throwIfCanceled(result: ToolResult, execution: StepExecution): void {
  if (!result.ok && result.kind === "canceled") throw execution.signal.reason instanceof Error ? execution.signal.reason : new LonghaulError("TASK_CANCELED", result.message);
}

function park(scope: RunScope, execution: StepExecution, call: ToolCallPart, why: string): StepEnd {
  const signal = `effect:${execution.idempotencyKey}`;
  const parked: Parked = { parked: "unknown-effect", forMs: null, signal };
  const write = recordWrite(scope, { step: execution.number, n: 0, attempt: execution.attempt }, {
    event_type: "approval",
    tool_name: call.toolName,
    tool_args: toArguments(call.input),
    result: "asked",
    reason: `It is not known whether this call happened: ${why}. Look, then: longhaul approve ${scope.engine.runId} --happened | --retry | --fail`,
    data: { signal, key: execution.idempotencyKey },
  });
  return { outcome: { ok: true, value: parkedToJson(parked) }, writes: [write] };
}

/** Waits for a human's word; null means that the call is to be made again. */
async function waitForDecision(scope: RunScope, name: string, parked: Parked): Promise<Json> {
  const signal = parked.signal ?? "";
  const end = await scope.engine.wait({ name: `${name}/decision`, reason: parked.parked, signal });
  const payload = end.by === "signal" && isJsonObject(end.payload) ? end.payload : {};
  await scope.engine.step({ kind: "code", name: `${name}/decided` }, ({ number, attempt }) =>
    Promise.resolve({
      outcome: { ok: true, value: null },
      writes: [recordWrite(scope, { step: number, n: 0, attempt }, { event_type: "approval", result: "answered", reason: String(payload["decision"] ?? "retry"), data: { signal } })],
    }),
  );
  switch (payload["decision"]) {
    case "happened":
      return resultToJson({ ok: true, value: payload["result"] ?? "The call happened; its result was lost." });
    case "fail":
      return resultToJson({ ok: false, kind: "failed", message: "The call was given up by an operator." });
    default:
      return null;
  }
}

function finish(scope: RunScope, execution: StepExecution, call: ToolCallPart, result: ToolResult, durationMs: number, writes: readonly Write[]): StepEnd {
  const record = recordWrite(scope, { step: execution.number, n: 0, attempt: execution.attempt }, {
    event_type: "tool_call",
    tool_name: call.toolName,
    tool_args: toArguments(call.input),
    result: result.ok ? "success" : "error",
    duration_ms: Math.round(durationMs),
    reason: result.ok ? null : `${result.kind}: ${result.message}`,
    data: { callId: call.callId },
  });
  return { outcome: { ok: true, value: resultToJson(result) }, writes: [record, ...writes] };
}

function toArguments(input: Json): JsonObject {
  return isJsonObject(input) ? input : { input };
}

export function resultToJson(result: ToolResult): Json {
  return result.ok ? { ok: true, value: result.value } : { ok: false, kind: result.kind, message: result.message };
}

export function parseResult(stored: Json): ToolResult {
  const fields = isJsonObject(stored) ? stored : {};
  if (fields["ok"] === true) return { ok: true, value: fields["value"] ?? null };
  return { ok: false, kind: "failed", message: typeof fields["message"] === "string" ? fields["message"] : messageOf(stored) };
}

function toResultPart(call: ToolCallPart, stored: Json): ToolResultPart {
  const result = parseResult(stored);
  return { type: "tool-result", callId: call.callId, toolName: call.toolName, isError: !result.ok, value: result.ok ? result.value : result.message };
}
