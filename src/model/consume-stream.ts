import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart, LanguageModelV4StreamResult } from "@ai-sdk/provider";
import { LonghaulError } from "../base/error.ts";
import type { ChunkDeadline } from "./chunk-deadline.ts";
import { isContent } from "./stream.ts";

export interface StreamListener {
  readonly onPart: (part: LanguageModelV4StreamPart) => void;
  /** Live text. What it throws is dropped. */
  readonly onDelta?: ((text: string) => void) | undefined;
  /** The first content is there. */
  readonly onContent?: (() => void) | undefined;
  /** Told the headers of the answer, before its parts. */
  readonly onHeaders?: ((headers: Readonly<Record<string, string>>) => void) | undefined;
}

/**
 * Calls `doStream` and gives every part to `onPart` until the last one. Whatever is not a whole answer is thrown: an error before or in the
 * stream, a stream that is cut, empty or interrupted, a limit that passes. Returns what came beside the stream.
 */
export async function consumeStream(
  model: LanguageModelV4,
  call: LanguageModelV4CallOptions,
  deadline: ChunkDeadline,
  { onPart, onDelta, onContent, onHeaders }: StreamListener,
): Promise<Omit<LanguageModelV4StreamResult, "stream">> {
  // In a microtask of its own, so that a model that throws at once rejects as the others do.
  const answer = Promise.resolve().then(() => model.doStream(call));
  // When a limit passes first, what the model does later is of no interest.
  answer.then(({ stream }) => (deadline.signal.aborted ? stream.cancel() : undefined)).catch(() => undefined);
  const { stream, ...rest } = await deadline.race(answer);
  if (rest.response?.headers !== undefined) onHeaders?.(rest.response.headers);
  const reader = stream.getReader();
  let parts = 0;
  try {
    for (;;) {
      const { done, value: part } = await deadline.race(reader.read());
      if (done) throw incomplete(model, parts);
      if (part.type === "error") throw part.error;
      if (isContent(part)) {
        if (parts++ === 0) onContent?.();
        deadline.content();
      }
      if (part.type === "finish") assertWhole(part, model);
      onPart(part);
      if (onDelta !== undefined && part.type === "text-delta" && part.delta !== "") showDelta(onDelta, part.delta);
      // What a provider may send after its last part is nothing to wait for.
      if (part.type === "finish") return rest;
    }
  } finally {
    // A provider that ignores the cancellation must not hold us.
    reader.cancel().catch(() => undefined);
  }
}

function showDelta(onDelta: (text: string) => void, delta: string): void {
  try {
    onDelta(delta);
  } catch {
    // Live text is a side channel: who watches cannot break the call.
  }
}

function assertWhole({ finishReason }: Extract<LanguageModelV4StreamPart, { type: "finish" }>, model: LanguageModelV4): void {
  if (finishReason.raw === "model_context_window_exceeded") {
    throw new LonghaulError("MODEL_CONTEXT_OVERFLOW", `${model.modelId} filled its context window before it finished. Send less: shorter instructions, input or tool results.`, { details: { model: model.modelId } });
  }
  if (finishReason.unified === "interrupted" || finishReason.unified === "error") {
    const message = `${model.modelId} broke off its answer (${finishReason.raw ?? finishReason.unified}). It is tried again.`;
    throw new LonghaulError("MODEL_TRANSIENT", message, { retry: "backoff", details: { model: model.modelId, provider: model.provider } });
  }
}

function incomplete(model: LanguageModelV4, parts: number): LonghaulError {
  const what = parts === 0 ? "sent an empty answer" : "ended its answer in the middle";
  return new LonghaulError("MODEL_TRANSIENT", `${model.modelId} ${what}. It is tried again.`, { retry: "backoff", details: { model: model.modelId, provider: model.provider } });
}
