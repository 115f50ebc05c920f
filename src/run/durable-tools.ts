import { LonghaulError, messageOf } from "../base/error.ts";
import { type Json, jsonBytes, toJson } from "../base/json.ts";
import type { ToolCallPart } from "../record/message.ts";
import { defaultToolTimeoutMs, type Effect, type Tool, toolResultBytesMax } from "../tool/tool.ts";
import { withDeadline } from "../base/deadline.ts";
import type { RunScope } from "./run-services.ts";
import { callTool } from "./tool-call.ts";

interface ForeignExecuteOptions {
  readonly toolCallId: string;
  readonly abortSignal?: AbortSignal;
}
type ForeignExecute = (input: unknown, options: ForeignExecuteOptions) => unknown;

/** AI SDK tools whose `execute` is a durable step named after the tool call's id. Tools without `execute` stay as they are. */
export function createDurableTools<Tools extends Readonly<Record<string, object>>>(scope: RunScope, tools: Tools, effects: Readonly<Record<string, Effect | undefined>>): Tools {
  const durable: Record<string, object> = {};
  for (const [name, tool] of Object.entries(tools)) {
    const execute = "execute" in tool && typeof tool.execute === "function" ? (tool.execute as ForeignExecute) : null;
    durable[name] = execute === null ? tool : { ...tool, execute: durableExecute(scope, name, execute, effects[name] ?? "once") };
  }
  return durable as Tools;
}

function durableExecute(scope: RunScope, toolName: string, execute: ForeignExecute, effect: Effect): ForeignExecute {
  return async (input, foreign) => {
    const call: ToolCallPart = { type: "tool-call", callId: foreign.toolCallId, toolName, input: toJson(input, `The input of ${toolName}`) };
    const adapted = foreignTool(scope, toolName, execute, effect, foreign);
    const result = await callTool(scope, `tool/${foreign.toolCallId}`, call, () => Promise.resolve([adapted]));
    if (result.isError) throw new LonghaulError("TOOL_FAILED", String(result.value));
    return result.value;
  };
}

function foreignTool(scope: RunScope, name: string, execute: ForeignExecute, effect: Effect, foreign: ForeignExecuteOptions): Tool {
  return {
    name,
    description: "",
    inputSchema: {},
    effect,
    timeoutMs: defaultToolTimeoutMs,
    async call(input: Json, { signal }) {
      const onTimeout = (): Error => new LonghaulError("TOOL_TIMEOUT", `${name} took longer than ${defaultToolTimeoutMs} ms.`);
      try {
        const value = await withDeadline({ clock: scope.services.clock, timeoutMs: defaultToolTimeoutMs, onTimeout, signal }, async (abortSignal) => execute(input, { ...foreign, abortSignal }));
        const stored = toJson(value, `What ${name} returned`);
        const bytes = jsonBytes(stored);
        if (bytes > toolResultBytesMax) return { ok: false, kind: "too-large", message: `${name} returned ${bytes} bytes; the limit is ${toolResultBytesMax}. Return less, or a reference.` };
        return { ok: true, value: stored };
      } catch (error) {
        if (signal.aborted) return { ok: false, kind: "canceled", message: messageOf(signal.reason) };
        return { ok: false, kind: error instanceof LonghaulError && error.code === "TOOL_TIMEOUT" ? "timeout" : "failed", message: messageOf(error) };
      }
    },
  };
}
