import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { type ChunkDeadline, startChunkDeadline } from "./chunk-deadline.ts";
import { consumeStream } from "./consume-stream.ts";
import { assertAnswer, type FalseAnswerContext } from "./false-answer.ts";
import { headersOf, toModelError } from "./model-error.ts";
import type { AssistantMessage } from "../record/message.ts";
import type { StatedLimit } from "../record/stated-limit.ts";
import { fromContent } from "./from-prompt.ts";
import { defaultModelTimeouts, type ModelTimeouts } from "./model.ts";
import { modelIdOf } from "./model-id.ts";
import { tellLimits } from "./stated-limits.ts";
import { type CollectedStream, StreamCollector } from "./stream.ts";
import { fromTaggedJson, toTaggedJson } from "./tagged-json.ts";
import { type PricedUsage, toUsage } from "./usage.ts";

/**
 * Runs one call as a durable step: the first time it calls `body` and journals what that returns, later it returns what it journaled.
 */
export type RunModelStep = (call: LanguageModelV4CallOptions, body: (additions?: StepAdditions) => Promise<Json>) => Promise<Json>;

/** What the step adds to a call. */
export interface StepAdditions {
  /** Such as an idempotency key that is the same at every attempt. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborts when the step is given up, whatever signal the call has. */
  readonly signal?: AbortSignal;
  /** Told when the first content of a stream is there. */
  readonly onContent?: () => void;
  /** Answers in the place of the model that was asked. */
  readonly standIn?: { readonly id: string; readonly model: LanguageModelV4 } | undefined;
  /** Told what the answer states of the provider's limits. */
  readonly onLimits?: (limits: readonly StatedLimit[]) => void;
}

export interface DurableModelOptions {
  readonly clock: Clock;
  /** "provider/model" for messages. Default: by the SDK's own words. */
  readonly id?: string;
  readonly timeouts?: ModelTimeouts;
  /** For calls that name no limit. Default 4,096. */
  readonly outputTokensMax?: number;
  /** Values that no error may contain. */
  readonly secrets?: () => readonly string[];
  /** Live text of a call that is really made, not durable. */
  readonly onDelta?: (text: string) => void;
}

const formatVersion = 1;
const outputTokensMaxDefault = 4096;

/**
 * An AI SDK model whose calls are durable steps, for code that was written for the AI SDK. A stream is consumed whole inside the step and replayed
 * from what was journaled, the first time too, so that a replay sees the same parts. The bodies of request and response are not kept.
 */
export function durableLanguageModel(model: LanguageModelV4, runStep: RunModelStep, options: DurableModelOptions): LanguageModelV4 {
  return {
    specificationVersion: "v4",
    provider: model.provider,
    modelId: model.modelId,
    get supportedUrls() {
      return model.supportedUrls;
    },
    async doGenerate(call) {
      const stored = await runStep(call, (additions) => generate(prepare(call, additions, options), answering(model, additions, options)));
      return readResult<LanguageModelV4GenerateResult>(stored, "generate");
    },
    async doStream(call) {
      const stored = await runStep(call, (additions) => stream(prepare(call, additions, options), answering(model, additions, options)));
      const { parts, response } = readResult<StoredStream>(stored, "stream");
      return { stream: ReadableStream.from<LanguageModelV4StreamPart>(parts), ...(response !== undefined && { response }) };
    },
  };
}

export interface DurableAnswer {
  readonly usage: PricedUsage;
  readonly message: AssistantMessage;
  readonly responseModel: string | null;
  readonly finishReason: string;
}

/** What a journaled call said and used and which model answered, for records and money. */
export function readDurableAnswer(stored: Json): DurableAnswer {
  const promptCharacters = isJsonObject(stored) && typeof stored["promptCharacters"] === "number" ? stored["promptCharacters"] : 0;
  const { usage, message, finishReason, responseModel } = isJsonObject(stored) && stored["kind"] === "stream" ? endOfStream(stored) : endOfGenerate(stored);
  return { usage: toUsage(usage, () => promptCharacters, () => JSON.stringify(stored).length), message, responseModel, finishReason: finishReason.unified };
}

interface CallEnd {
  readonly message: AssistantMessage;
  readonly usage: LanguageModelV4Usage;
  readonly finishReason: LanguageModelV4FinishReason;
  readonly responseModel: string | null;
}

function endOfGenerate(stored: Json): CallEnd {
  const { content, usage, finishReason, response } = readResult<LanguageModelV4GenerateResult>(stored, "generate");
  return { message: fromContent(content), usage, finishReason, responseModel: response?.modelId ?? null };
}

function endOfStream(stored: Json): CallEnd {
  const { finish, message, responseModel } = collect(readResult<StoredStream>(stored, "stream").parts);
  assert(finish !== null, "a stream was journaled without its last part");
  return { message, usage: finish.usage, finishReason: finish.reason, responseModel };
}

function collect(parts: readonly LanguageModelV4StreamPart[]): CollectedStream {
  const collector = new StreamCollector();
  for (const part of parts) collector.add(part);
  return collector.collect();
}

interface StoredStream {
  readonly parts: readonly LanguageModelV4StreamPart[];
  readonly response?: LanguageModelV4StreamResult["response"];
}

interface Answering extends DurableModelOptions {
  readonly model: LanguageModelV4;
  readonly onContent?: (() => void) | undefined;
  readonly onLimits?: StepAdditions["onLimits"];
}

function answering(model: LanguageModelV4, { standIn, onContent, onLimits }: StepAdditions = {}, options: DurableModelOptions): Answering {
  return { ...options, ...(standIn ?? { model }), onContent, onLimits };
}

function contextOf({ clock, model, id = modelIdOf(model), secrets }: Answering): FalseAnswerContext {
  return { model: id, provider: id.split("/")[0] ?? id, nowMs: clock.now(), secrets: secrets?.() ?? [] };
}

type Perform = (call: LanguageModelV4CallOptions, deadline: ChunkDeadline) => Promise<Json>;

async function underLimits(call: LanguageModelV4CallOptions, timeouts: ModelTimeouts, options: Answering, perform: Perform): Promise<Json> {
  const context = contextOf(options);
  const { clock } = options;
  const signal = call.abortSignal ?? new AbortController().signal;
  signal.throwIfAborted();
  const deadline = startChunkDeadline({ clock, timeouts, model: context.model, signal });
  try {
    return await perform({ ...call, abortSignal: deadline.signal }, deadline);
  } catch (error) {
    if (deadline.signal.aborted) throw deadline.signal.reason;
    tellLimits(headersOf(error), clock.now(), options.onLimits);
    throw toModelError(error, { ...context, nowMs: clock.now(), hasBegun: deadline.hasContent() });
  } finally {
    deadline.close();
  }
}

function generate(call: LanguageModelV4CallOptions, options: Answering): Promise<Json> {
  const { totalMs } = options.timeouts ?? defaultModelTimeouts;
  // A whole answer has no pieces to wait for: only the limit of the whole call counts.
  const timeouts = { firstChunkMs: totalMs, betweenChunksMs: totalMs, totalMs };
  return underLimits(call, timeouts, options, async (limited, deadline) => {
    const result = await deadline.race(Promise.resolve().then(() => options.model.doGenerate(limited)));
    assertAnswer(fromContent(result.content), result.usage, contextOf(options));
    const { request: _, response, ...rest } = result;
    tellLimits(response?.headers ?? {}, options.clock.now(), options.onLimits);
    return write("generate", { ...rest, ...(response !== undefined && { response: withoutBody(response) }) }, limited);
  });
}

function stream(call: LanguageModelV4CallOptions, options: Answering): Promise<Json> {
  const { model, onDelta, onContent } = options;
  return underLimits(call, options.timeouts ?? defaultModelTimeouts, options, async (limited, deadline) => {
    const parts: LanguageModelV4StreamPart[] = [];
    const { response } = await consumeStream(model, limited, deadline, { onPart: (part) => addPart(parts, part), onDelta, onContent, onHeaders: (headers) => tellLimits(headers, options.clock.now(), options.onLimits) });
    const { message, finish } = collect(parts);
    if (finish !== null) assertAnswer(message, finish.usage, contextOf(options));
    return write("stream", { parts, ...(response !== undefined && { response: withoutBody(response) }) }, limited);
  });
}

function prepare(call: LanguageModelV4CallOptions, { headers, signal }: StepAdditions = {}, { outputTokensMax = outputTokensMaxDefault }: DurableModelOptions): LanguageModelV4CallOptions {
  const signals = [call.abortSignal, signal].filter((given) => given !== undefined);
  return { ...call, maxOutputTokens: call.maxOutputTokens ?? outputTokensMax, headers: { ...call.headers, ...headers }, ...(signals.length > 0 && { abortSignal: AbortSignal.any(signals) }) };
}

/** Pieces of one text become one piece: a journal entry per token would be mostly punctuation. Keep-alives are nothing to replay. */
function addPart(parts: LanguageModelV4StreamPart[], part: LanguageModelV4StreamPart): void {
  const last = parts.at(-1);
  if (part.type === "ping") return;
  if (isDelta(part) && last?.type === part.type && isDelta(last) && last.id === part.id && part.providerMetadata === undefined && last.providerMetadata === undefined) {
    parts[parts.length - 1] = { ...last, delta: last.delta + part.delta };
    return;
  }
  parts.push(part);
}

type DeltaPart = Extract<LanguageModelV4StreamPart, { readonly delta: string }>;

function isDelta(part: LanguageModelV4StreamPart): part is DeltaPart {
  return part.type === "text-delta" || part.type === "reasoning-delta" || part.type === "tool-input-delta";
}

/** The body of a response repeats the content; that of a request the whole prompt. */
function withoutBody<T extends object>(response: T): Omit<T, "body"> {
  const { body: _, ...rest } = response as T & { readonly body?: unknown };
  return rest;
}

/** The length of the prompt stands in for the usage of a provider that reports none. */
function write(kind: "generate" | "stream", result: object, call: LanguageModelV4CallOptions): Json {
  return { format: formatVersion, kind, promptCharacters: JSON.stringify(call.prompt).length, result: toTaggedJson(result) };
}

function readResult<T>(stored: Json, kind: "generate" | "stream"): T {
  if (isJsonObject(stored) && stored["format"] === formatVersion && stored["kind"] === kind) return fromTaggedJson(stored["result"] ?? null) as T;
  throw new LonghaulError("JSON_INVALID", `A stored model answer is not a ${kind} of format ${formatVersion}. The code changed between generateText and streamText, or a newer version wrote it: restart the task.`);
}
