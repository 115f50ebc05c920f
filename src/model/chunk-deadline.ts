import type { Clock, Timer } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import type { ModelTimeouts } from "./model.ts";

export interface ChunkDeadlineOptions {
  readonly clock: Clock;
  readonly timeouts: ModelTimeouts;
  /** Named in the error. */
  readonly model: string;
  readonly signal: AbortSignal;
}

/** The time limits of one call. Who calls it says when content came; everything else does not count. */
export interface ChunkDeadline {
  /** Aborts with the limit's error, or with the caller's reason. */
  readonly signal: AbortSignal;
  /** Content came: the next piece may take as long again. */
  content(): void;
  /** True once content came. */
  hasContent(): boolean;
  /** `work`, or a rejection as soon as a limit passes or the caller aborts, whether `work` heeds the signal or not. */
  race<T>(work: Promise<T>): Promise<T>;
  close(): void;
}

/** Starts the limits of a call: to the first content, between contents, and in all. */
export function startChunkDeadline(options: ChunkDeadlineOptions): ChunkDeadline {
  const { clock, timeouts, signal } = options;
  const controller = new AbortController();
  let rejectExpired: (reason: unknown) => void = () => undefined;
  const expired = new Promise<never>((_, reject) => {
    rejectExpired = reject;
  });
  // A call that ends well leaves this promise unobserved.
  expired.catch(() => undefined);
  let chunkTimer: Timer;
  let contentAtMs: number | null = null;

  const stop = (reason: unknown): void => {
    close();
    controller.abort(reason);
    rejectExpired(reason);
  };
  const onAbort = (): void => stop(signal.reason);
  const close = (): void => {
    chunkTimer.cancel();
    totalTimer.cancel();
    signal.removeEventListener("abort", onAbort);
  };
  // One timer serves all gaps: when it fires it looks how long the silence really was.
  const onChunkTimer = (): void => {
    if (contentAtMs === null) return stop(timeoutError("firstChunkMs", options));
    const silentMs = clock.monotonicMs() - contentAtMs;
    if (silentMs >= timeouts.betweenChunksMs) return stop(timeoutError("betweenChunksMs", options));
    chunkTimer = clock.setTimer(timeouts.betweenChunksMs - silentMs, onChunkTimer);
  };

  const totalTimer = clock.setTimer(timeouts.totalMs, () => stop(timeoutError("totalMs", options)));
  chunkTimer = clock.setTimer(timeouts.firstChunkMs, onChunkTimer);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();

  return {
    signal: controller.signal,
    content() {
      const first = contentAtMs === null;
      contentAtMs = clock.monotonicMs();
      if (!first || controller.signal.aborted) return;
      chunkTimer.cancel();
      chunkTimer = clock.setTimer(timeouts.betweenChunksMs, onChunkTimer);
    },
    hasContent: () => contentAtMs !== null,
    race: (work) => Promise.race([expired, work]),
    close,
  };
}

/** What is said of each limit, and the agent's option that raises it. */
const limitTexts: Readonly<Record<keyof ModelTimeouts, { readonly option: string; readonly what: (time: string) => string }>> = {
  firstChunkMs: { option: "limits.firstChunkTimeout", what: (time) => `sent no content within ${time} of the request` },
  betweenChunksMs: { option: "limits.betweenChunksTimeout", what: (time) => `sent nothing more for ${time} in the middle of its answer` },
  totalMs: { option: "limits.modelCallTimeout", what: (time) => `did not finish its answer within ${time}` },
};

function timeoutError(limit: keyof ModelTimeouts, options: ChunkDeadlineOptions): LonghaulError {
  const limitMs = options.timeouts[limit];
  const { option, what } = limitTexts[limit];
  const message = `${options.model} ${what(formatDuration(limitMs))}. It is tried again; raise ${option} if the model is only slow.`;
  return new LonghaulError("MODEL_TIMEOUT", message, { retry: "backoff", details: { model: options.model, limit, limitMs } });
}
