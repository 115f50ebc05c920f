import type { Random } from "../../base/random.ts";
import type { SimulatedRequest } from "./simulated-request.ts";

/** What the scripted model answers, whatever the wire format. */
export interface SimulatedReply {
  readonly parts: readonly ReplyPart[];
  /** Default: `tool-calls` when a tool is called, otherwise `stop`. Becomes `length` when the output limit cuts the reply. */
  readonly stopReason?: StopReason;
  /** Default: one token per four characters. */
  readonly usage?: Partial<SimulatedUsage>;
}

/** One part of a scripted answer. */
export type ReplyPart =
  | { readonly type: "text"; readonly text: string }
  | {
      readonly type: "tool-call";
      readonly name: string;
      readonly input: unknown;
      /** Sent in place of `input`, as it stands: for arguments that are not valid JSON. */
      readonly argumentsText?: string;
    };

/** Why a simulated answer ends. `content-filter`: the provider stopped it; `refusal`: the model itself declined, in the text that it gives. */
export type StopReason = "stop" | "tool-calls" | "length" | "content-filter" | "refusal";

/** Tokens that a simulated answer reports. */
export interface SimulatedUsage {
  /** All input tokens, those read from the cache included. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  /** All output tokens, those spent on reasoning included. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** What a script is given beside the request. */
export interface ScriptContext {
  /** Reproducible chance: depends on the seed, the call number and the request only. */
  readonly random: Random;
  /** 1 for the first well-formed model request that this simulator got. */
  readonly callNumber: number;
}

/** The simulated model: a function of the request. */
export type Script = (request: SimulatedRequest, context: ScriptContext) => SimulatedReply | Promise<SimulatedReply>;

/** Answers with text. */
export function replyText(text: string): SimulatedReply {
  return { parts: [{ type: "text", text }] };
}

/** Answers with a value as JSON text, as structured output does. */
export function replyObject(value: unknown): SimulatedReply {
  return replyText(JSON.stringify(value));
}

/** Calls one tool. */
export function replyToolCall(name: string, input: unknown): SimulatedReply {
  return replyToolCalls([{ name, input }]);
}

/** Calls several tools at once. */
export function replyToolCalls(calls: readonly { readonly name: string; readonly input: unknown }[]): SimulatedReply {
  return { parts: calls.map(({ name, input }) => ({ type: "tool-call", name, input })) };
}

/** Declines to answer: a content filter stopped the reply. */
export function replyRefusal(text: string): SimulatedReply {
  return { parts: [{ type: "text", text }], stopReason: "content-filter" };
}
