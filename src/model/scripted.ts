import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { type AssistantMessage, finalAnswerTool, toolCallsOf, type ToolCallPart } from "../record/message.ts";
import { noUsage, type Usage } from "../record/usage.ts";
import { startChunkDeadline } from "./chunk-deadline.ts";
import { freePrice, inputTokensMax, type ModelPrice } from "./model-price.ts";
import type { Completion, FinishReason, Model, ModelRequest } from "./model.ts";

/** What a scripted model answers to one call. A text alone is an answer of that text; an Error is thrown. */
export type ScriptedAnswer =
  | string
  | Error
  | { readonly text: string; readonly finishReason?: FinishReason }
  | { readonly toolCalls: readonly ScriptedToolCall[]; readonly text?: string }
  /** Calls the tool `final_answer` with this input, as an agent with an output schema does. */
  | { readonly object: Json }
  | { readonly error: Error }
  /** Never answers: ends by a time limit (with `clock`) or by the caller's signal. */
  | { readonly hang: true }
  | { readonly message: AssistantMessage; readonly finishReason?: FinishReason; readonly usage?: Usage };

/** A tool call in a scripted answer. */
export interface ScriptedToolCall {
  readonly toolName: string;
  readonly input: Json;
  /** Default "call_<call number>_<position>". */
  readonly callId?: string;
}

/** One answer for every call, one answer per call in order, or a function of the request and the number of the call from 1. */
export type Script = ScriptedAnswer | readonly ScriptedAnswer[] | ((request: ModelRequest, callNumber: number) => ScriptedAnswer | Promise<ScriptedAnswer>);

export interface ScriptedOptions {
  /** Default "scripted/model". */
  readonly id?: string;
  /** Needed for a hang to end by a time limit. */
  readonly clock?: Clock;
  /** Default: nothing is charged. */
  readonly price?: ModelPrice;
}

/** A model that answers by a script and keeps what it was asked. */
export interface ScriptedModel extends Model {
  /** Every request so far, in order of the calls. */
  readonly calls: readonly ModelRequest[];
}

const charactersPerToken = 4;

/** A model that answers by a script: for tests. Tokens are counted at four characters each, so that the same call costs the same. */
export function scriptedModel(script: Script, options: ScriptedOptions = {}): ScriptedModel {
  const { id = "scripted/model", clock, price = freePrice } = options;
  const calls: ModelRequest[] = [];
  const provider = id.split("/")[0] ?? id;
  return {
    id,
    provider,
    account: provider,
    simulated: true,
    calls,
    estimateMicroUsd: ({ messages, outputTokensMax }) => price.upperBoundMicroUsd(inputTokensMax(messages), outputTokensMax, clock?.now() ?? 0),
    costMicroUsd: (usage) => price.costMicroUsd(usage, clock?.now() ?? 0),
    async complete(request) {
      request.signal.throwIfAborted();
      const callNumber = calls.push(request);
      const answer = await answerOf(script, request, callNumber);
      request.signal.throwIfAborted();
      if (answer instanceof Error) throw answer;
      if (typeof answer === "string") return toCompletion(request, callNumber, { text: answer }, price, id);
      if ("error" in answer) throw answer.error;
      if ("hang" in answer) return hang(request, id, clock);
      return toCompletion(request, callNumber, answer, price, id);
    },
  };
}

async function answerOf(script: Script, request: ModelRequest, callNumber: number): Promise<ScriptedAnswer> {
  if (typeof script === "function") return script(request, callNumber);
  if (!isList(script)) return script;
  const answer = script[callNumber - 1];
  if (answer === undefined) throw new LonghaulError("MODEL_INVALID", `The script has ${script.length} answers and was asked for number ${callNumber}. Add one, or use a function.`);
  return answer;
}

function isList(script: ScriptedAnswer | readonly ScriptedAnswer[]): script is readonly ScriptedAnswer[] {
  return Array.isArray(script);
}

type Spoken = Exclude<ScriptedAnswer, string | Error | { readonly error: Error } | { readonly hang: true }>;

function toCompletion(request: ModelRequest, callNumber: number, answer: Spoken, price: ModelPrice, id: string): Completion {
  const message = "message" in answer ? answer.message : { role: "assistant" as const, parts: partsOf(answer, callNumber) };
  const usage: Usage = ("message" in answer ? answer.usage : undefined) ?? {
    ...noUsage,
    inputTokens: tokensOf(request.messages),
    outputTokens: Math.min(tokensOf(message.parts), request.outputTokensMax),
  };
  for (const part of message.parts) if (part.type === "text" && part.text !== "") request.onDelta?.(part.text);
  const finishReason = "finishReason" in answer ? answer.finishReason : undefined;
  return {
    message,
    finishReason: finishReason ?? (toolCallsOf(message).length > 0 ? "tool-calls" : "stop"),
    usage,
    costMicroUsd: price.costMicroUsd(usage, 0),
    responseModel: id,
    responseId: `scripted_${callNumber}`,
  };
}

function partsOf(answer: Exclude<Spoken, { readonly message: AssistantMessage }>, callNumber: number): AssistantMessage["parts"] {
  if ("object" in answer) return [toCall({ toolName: finalAnswerTool, input: answer.object }, callNumber, 1)];
  const text = answer.text === undefined || answer.text === "" ? [] : [{ type: "text" as const, text: answer.text }];
  const toolCalls = "toolCalls" in answer ? answer.toolCalls : [];
  return [...text, ...toolCalls.map((call, index) => toCall(call, callNumber, index + 1))];
}

function toCall({ toolName, input, callId }: ScriptedToolCall, callNumber: number, position: number): ToolCallPart {
  return { type: "tool-call", callId: callId ?? `call_${callNumber}_${position}`, toolName, input };
}

function tokensOf(value: unknown): number {
  return Math.ceil(JSON.stringify(value).length / charactersPerToken);
}

function hang(request: ModelRequest, id: string, clock: Clock | undefined): Promise<never> {
  if (clock !== undefined) return startChunkDeadline({ clock, timeouts: request.timeouts, model: id, signal: request.signal }).race(new Promise<never>(() => undefined));
  return new Promise((_, reject) => {
    request.signal.addEventListener("abort", () => reject(request.signal.reason as Error), { once: true });
  });
}
