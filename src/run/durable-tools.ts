import type { ToolsOptions } from "../agent/context.ts";
import { parseDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import { hashOf, toJson } from "../base/json.ts";
import { anything } from "../base/schema.ts";
import type { ToolCallPart } from "../record/message.ts";
import type { NeedsApproval } from "../tool/approval.ts";
import { functionTool } from "../tool/function-tool.ts";
import { type CallPlace, watchCall } from "./call-watch.ts";
import type { RunScope } from "./run-services.ts";
import { callTool, refusedOf } from "./tool-call.ts";

interface ForeignExecuteOptions {
  readonly toolCallId: string;
  /** What the model was asked. */
  readonly messages?: unknown;
  readonly abortSignal?: AbortSignal;
}
type ForeignExecute = (input: unknown, options: ForeignExecuteOptions) => unknown;
/** As the AI SDK has it: it is told of the call what `execute` is told. */
type ForeignNeedsApproval = boolean | ((input: unknown, options: ForeignExecuteOptions) => boolean | PromiseLike<boolean>);

interface ForeignTool {
  readonly execute?: ForeignExecute;
  readonly needsApproval?: ForeignNeedsApproval;
}

/**
 * AI SDK tools whose `execute` is a durable step named after the tool call's id. Tools without `execute` stay as they are. A `needsApproval` of their own is
 * asked in that step and is taken from them: the AI SDK would end the answer with a question that nobody reads.
 */
export function createDurableTools<Tools extends Readonly<Record<string, object>>>(scope: RunScope, tools: Tools, options: ToolsOptions<string>): Tools {
  const durable: Record<string, object> = {};
  for (const [name, tool] of Object.entries(tools)) {
    const { execute, needsApproval: _, ...rest } = tool as ForeignTool;
    durable[name] = typeof execute === "function" ? { ...rest, execute: durableExecute(scope, name, tool as ForeignTool & { readonly execute: ForeignExecute }, options) } : tool;
  }
  return durable as Tools;
}

function durableExecute(scope: RunScope, name: string, own: ForeignTool & { readonly execute: ForeignExecute }, options: ToolsOptions<string>): ForeignExecute {
  const { effects = {}, accepts, needsApproval = {}, approvalWithin } = options;
  return async (input, foreign) => {
    const call: ToolCallPart = { type: "tool-call", callId: foreign.toolCallId, toolName: name, input: toJson(input, `The input of ${name}`) };
    // The AI SDK has validated the input, which need not survive JSON: it is handed on as it came.
    const tool = functionTool(
      {
        name, description: "", inputSchema: anything, effect: effects[name] ?? "once", accepts,
        execute: async (_, { signal }) => lastOf(await own.execute(input, { ...foreign, abortSignal: signal })),
        needsApproval: eitherOf(needsApproval[name] ?? false, toOwnKind(own.needsApproval ?? false, input, foreign)),
        ...(approvalWithin === undefined ? {} : { approvalWithinMs: parseDuration(approvalWithin, "ctx.tools: approvalWithin") }),
      },
      { clock: scope.services.clock, dependency: `tool ${name} of ${scope.worker.name}` },
    );
    const refused = refusedOf(tool, scope.doubts);
    const result = await watchCall(scope, call, placeOf(scope, foreign), () => callTool(scope, `tool/${foreign.toolCallId}`, call, () => Promise.resolve([tool])));
    if (result.isError) throw new LonghaulError(refused.length > 0 ? "OUTCOME_NOT_ACCEPTED" : "TOOL_FAILED", String(result.value));
    return result.value;
  };
}

/** A conversation is known by what it begins with, before the model has said anything. */
function placeOf({ counts }: RunScope, { messages }: ForeignExecuteOptions): CallPlace {
  if (!Array.isArray(messages) || messages.length === 0) return { conversation: "", turn: counts.modelCalls };
  const answered = messages.findIndex((message: unknown) => (message as { readonly role?: unknown } | null)?.role === "assistant");
  return { conversation: hashOf(JSON.stringify(answered === -1 ? messages : messages.slice(0, answered), withoutBytes)), turn: messages.length };
}

/** Of a picture its size says enough. */
function withoutBytes(this: unknown, key: string, value: unknown): unknown {
  const own = (this as Record<string, unknown>)[key];
  return ArrayBuffer.isView(own) ? own.byteLength : typeof value === "bigint" ? String(value) : value;
}

function toOwnKind(needs: ForeignNeedsApproval, input: unknown, foreign: ForeignExecuteOptions): NeedsApproval {
  return typeof needs === "boolean" ? needs : (_, { signal }) => needs(input, { ...foreign, abortSignal: signal });
}

/** A person is asked when one of the two wants it. */
function eitherOf(first: NeedsApproval, second: NeedsApproval): NeedsApproval {
  if (typeof first === "boolean") return first || second;
  if (typeof second === "boolean") return second || first;
  return async (input, options) => {
    const answer: unknown = await first(input, options);
    return answer === false ? second(input, options) : true;
  };
}

/** A tool may yield preliminary results; the last one is its result. */
async function lastOf(returned: unknown): Promise<unknown> {
  if (typeof returned !== "object" || returned === null || !(Symbol.asyncIterator in returned)) return returned;
  let last: unknown;
  for await (const value of returned as AsyncIterable<unknown>) last = value;
  return last;
}
