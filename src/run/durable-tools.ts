import { z } from "zod";
import { LonghaulError } from "../base/error.ts";
import { toJson } from "../base/json.ts";
import type { ToolCallPart } from "../record/message.ts";
import type { Outcome } from "../record/task.ts";
import { functionTool } from "../tool/function-tool.ts";
import type { Effect, Tool } from "../tool/tool.ts";
import type { RunScope } from "./run-services.ts";
import { callTool, refusedOf } from "./tool-call.ts";

interface ForeignExecuteOptions {
  readonly toolCallId: string;
  readonly abortSignal?: AbortSignal;
}
type ForeignExecute = (input: unknown, options: ForeignExecuteOptions) => unknown;

/** AI SDK tools whose `execute` is a durable step named after the tool call's id. Tools without `execute` stay as they are. */
export function createDurableTools<Tools extends Readonly<Record<string, object>>>(scope: RunScope, tools: Tools, { effects = {}, accepts }: { readonly effects?: Readonly<Record<string, Effect | undefined>>; readonly accepts?: readonly Outcome[] }): Tools {
  const durable: Record<string, object> = {};
  for (const [name, tool] of Object.entries(tools)) {
    const execute = "execute" in tool && typeof tool.execute === "function" ? (tool.execute as ForeignExecute) : null;
    durable[name] = execute === null ? tool : { ...tool, execute: durableExecute(scope, name, execute, { effect: effects[name] ?? "once", accepts }) };
  }
  return durable as Tools;
}

function durableExecute(scope: RunScope, name: string, execute: ForeignExecute, { effect, accepts }: Required<Pick<Tool, "effect">> & Pick<Tool, "accepts">): ForeignExecute {
  return async (input, foreign) => {
    const call: ToolCallPart = { type: "tool-call", callId: foreign.toolCallId, toolName: name, input: toJson(input, `The input of ${name}`) };
    // The AI SDK has validated the input, which need not survive JSON: it is handed on as it came.
    const tool = functionTool(
      { name, description: "", inputSchema: z.unknown(), effect, accepts, execute: async (_, { signal }) => lastOf(await execute(input, { ...foreign, abortSignal: signal })) },
      { clock: scope.services.clock, dependency: `tool ${name} of ${scope.worker.name}` },
    );
    const refused = refusedOf(tool, scope.doubts);
    const result = await callTool(scope, `tool/${foreign.toolCallId}`, call, () => Promise.resolve([tool]));
    if (result.isError) throw new LonghaulError(refused.length > 0 ? "OUTCOME_NOT_ACCEPTED" : "TOOL_FAILED", String(result.value));
    return result.value;
  };
}

/** A tool may yield preliminary results; the last one is its result. */
async function lastOf(returned: unknown): Promise<unknown> {
  if (typeof returned !== "object" || returned === null || !(Symbol.asyncIterator in returned)) return returned;
  let last: unknown;
  for await (const value of returned as AsyncIterable<unknown>) last = value;
  return last;
}
