import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4Content, LanguageModelV4GenerateResult, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { JsonObject } from "../base/json.ts";
import { fromPrompt } from "./from-prompt.ts";
import { type Completion, defaultModelTimeouts, type Model } from "./model.ts";

const outputTokensMaxDefault = 4_096;

/** One of our models as an AI SDK model, so that scripted models answer code that was written for the AI SDK. */
export function asLanguageModel(model: Model): LanguageModelV4 {
  const generate = async (call: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> => {
    const completion = await model.complete({
      messages: fromPrompt(call),
      outputTokensMax: call.maxOutputTokens ?? outputTokensMaxDefault,
      toolChoice: call.toolChoice?.type === "required" ? "required" : "auto",
      idempotencyKey: call.headers?.["idempotency-key"] ?? "",
      timeouts: defaultModelTimeouts,
      signal: call.abortSignal ?? new AbortController().signal,
      ...(call.providerOptions === undefined ? {} : { providerOptions: call.providerOptions as JsonObject }),
    });
    return toGenerateResult(completion);
  };
  return {
    specificationVersion: "v4",
    provider: model.provider,
    modelId: model.id.slice(model.id.indexOf("/") + 1),
    supportedUrls: {},
    doGenerate: generate,
    doStream: async (call) => ({ stream: ReadableStream.from(toParts(await generate(call))) }),
  };
}

function toGenerateResult({ message, finishReason, usage, responseId, responseModel }: Completion): LanguageModelV4GenerateResult {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, reasoningTokens } = usage;
  return {
    content: message.parts.map((part): LanguageModelV4Content =>
      part.type === "tool-call" ? { type: "tool-call", toolCallId: part.callId, toolName: part.toolName, input: JSON.stringify(part.input) } : { type: part.type, text: part.text }),
    finishReason: { unified: finishReason, raw: finishReason },
    usage: {
      inputTokens: { total: inputTokens, noCache: inputTokens - cacheReadTokens - cacheWriteTokens, cacheRead: cacheReadTokens, cacheWrite: cacheWriteTokens },
      outputTokens: { total: outputTokens, text: outputTokens - reasoningTokens, reasoning: reasoningTokens },
    },
    response: { ...(responseId === null ? {} : { id: responseId }), ...(responseModel === null ? {} : { modelId: responseModel }) },
    warnings: [],
  };
}

function toParts({ content, finishReason, usage }: LanguageModelV4GenerateResult): readonly LanguageModelV4StreamPart[] {
  const parts = content.flatMap((part, index): readonly LanguageModelV4StreamPart[] => {
    const id = String(index);
    if (part.type === "text") return [{ type: "text-start", id }, { type: "text-delta", id, delta: part.text }, { type: "text-end", id }];
    if (part.type === "reasoning") return [{ type: "reasoning-start", id }, { type: "reasoning-delta", id, delta: part.text }, { type: "reasoning-end", id }];
    return part.type === "tool-call" ? [part] : [];
  });
  return [{ type: "stream-start", warnings: [] }, ...parts, { type: "finish", finishReason, usage }];
}
