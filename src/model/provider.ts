import type { LanguageModelV4, LanguageModelV4CallOptions, SharedV4ProviderOptions } from "@ai-sdk/provider";
import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { toolCallsOf } from "../record/message.ts";
import { startChunkDeadline, type ChunkDeadline } from "./chunk-deadline.ts";
import { headersOf, toModelError } from "./model-error.ts";
import { assertAnswer } from "./false-answer.ts";
import { modelIdOf } from "./model-id.ts";
import { freePrice, inputTokensMax, type ModelPrice } from "./model-price.ts";
import type { Completion, FinishReason, Model, ModelRequest } from "./model.ts";
import { toPrompt, toPromptTools } from "./prompt.ts";
import { consumeStream } from "./consume-stream.ts";
import { tellLimits } from "./stated-limits.ts";
import { type CollectedStream, StreamCollector } from "./stream.ts";
import { toUsage } from "./usage.ts";

export interface LanguageModelOptions {
  readonly clock: Clock;
  /** Default "<provider>/<model id>" by the SDK's own words. */
  readonly id?: string;
  /** Default the part of `id` before the slash. */
  readonly provider?: string;
  /** Default false. */
  readonly simulated?: boolean;
  /** Default: all models of the provider share one. */
  readonly account?: () => string;
  /** Default: unknown, or free when simulated. */
  readonly price?: ModelPrice | null;
  /** Sent unless a request says otherwise. */
  readonly providerOptions?: JsonObject;
  /** Values that no error may contain. */
  readonly secrets?: () => readonly string[];
}

/** A Model over the AI SDK's provider interface. Always streams, so that silence is noticed; never retries. */
export function languageModel(model: LanguageModelV4, options: LanguageModelOptions): Model {
  const id = options.id ?? modelIdOf(model);
  const provider = options.provider ?? id.slice(0, id.indexOf("/"));
  const simulated = options.simulated ?? false;
  const price = options.price ?? (simulated ? freePrice : null);
  const { clock } = options;
  return {
    id,
    provider,
    simulated,
    get account() {
      return options.account?.() ?? provider;
    },
    estimateMicroUsd: ({ messages, outputTokensMax }) =>
      price === null ? 0 : price.upperBoundMicroUsd(inputTokensMax(messages), outputTokensMax, clock.now()),
    costMicroUsd: (usage) => price?.costMicroUsd(usage, clock.now()) ?? null,
    async complete(request) {
      request.signal.throwIfAborted();
      const deadline = startChunkDeadline({ clock, timeouts: request.timeouts, model: id, signal: request.signal });
      try {
        const call = toCall(request, deadline.signal, options.providerOptions);
        const collected = await collect(model, call, deadline, request, clock);
        if (collected.finish !== null) assertAnswer(collected.message, collected.finish.usage, { model: id, provider, nowMs: clock.now(), secrets: options.secrets?.() ?? [] });
        return toCompletion(collected, call, id, price, clock.now());
      } catch (error) {
        if (deadline.signal.aborted) throw deadline.signal.reason;
        tellLimits(headersOf(error), clock.now(), request.onLimits);
        throw toModelError(error, { model: id, provider, nowMs: clock.now(), hasBegun: deadline.hasContent(), secrets: options.secrets?.() ?? [] });
      } finally {
        deadline.close();
      }
    },
  };
}

function toCall(request: ModelRequest, signal: AbortSignal, defaults: JsonObject | undefined): LanguageModelV4CallOptions {
  const tools = toPromptTools(request.messages);
  const providerOptions = mergeProviderOptions(defaults, request.providerOptions);
  return {
    prompt: toPrompt(request.messages),
    maxOutputTokens: request.outputTokensMax,
    headers: { "idempotency-key": request.idempotencyKey },
    abortSignal: signal,
    ...(tools.length > 0 && { tools, toolChoice: { type: request.toolChoice ?? "auto" } }),
    ...(request.temperature !== undefined && { temperature: request.temperature }),
    ...(providerOptions !== undefined && { providerOptions }),
  };
}

/** The request's options win, field by field of each provider. */
function mergeProviderOptions(defaults: JsonObject | undefined, given: JsonObject | undefined): SharedV4ProviderOptions | undefined {
  if (defaults === undefined && given === undefined) return undefined;
  const merged: SharedV4ProviderOptions = {};
  for (const options of [defaults ?? {}, given ?? {}]) {
    for (const [provider, fields] of Object.entries(options)) if (isJsonObject(fields)) merged[provider] = { ...merged[provider], ...fields };
  }
  return merged;
}

async function collect(model: LanguageModelV4, call: LanguageModelV4CallOptions, deadline: ChunkDeadline, request: ModelRequest, clock: Clock): Promise<CollectedStream> {
  const collector = new StreamCollector();
  await consumeStream(model, call, deadline, { onPart: (part) => collector.add(part), onDelta: request.onDelta, onContent: request.onContent, onHeaders: (headers) => tellLimits(headers, clock.now(), request.onLimits) });
  return collector.collect();
}

function toCompletion(collected: CollectedStream, call: LanguageModelV4CallOptions, id: string, price: ModelPrice | null, nowMs: number): Completion {
  const { message, finish, responseId, responseModel } = collected;
  if (finish === null) throw new LonghaulError("MODEL_TRANSIENT", `${id} ended its stream without an answer. It is tried again.`, { retry: "backoff", details: { model: id } });
  const usage = toUsage(finish.usage, () => JSON.stringify(call.prompt).length, () => JSON.stringify(message.parts).length);
  const { cacheWriteHourTokens: _, ...counted } = usage;
  return {
    message,
    finishReason: toFinishReason(finish.reason.unified, toolCallsOf(message).length > 0),
    usage: counted,
    costMicroUsd: price === null ? null : price.costMicroUsd(usage, nowMs),
    responseModel,
    responseId,
  };
}

/** Some servers say "stop" although they call tools. */
function toFinishReason(unified: FinishReason | "interrupted", callsTools: boolean): FinishReason {
  if (unified === "interrupted") return "error";
  if (callsTools && (unified === "stop" || unified === "other")) return "tool-calls";
  return !callsTools && unified === "tool-calls" ? "other" : unified;
}
