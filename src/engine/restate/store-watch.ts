import { sleep, type Clock } from "../../base/clock.ts";
import { LonghaulError } from "../../base/error.ts";

export interface StoreWatchOptions {
  readonly clock: Clock;
  /** Resolves when PostgreSQL answers within the time. */
  readonly ask: (withinMs: number) => Promise<void>;
  /** PostgreSQL does not answer here. `back` aborts when it does again, and when nobody looks any more. */
  readonly onAway: (back: AbortSignal) => void;
  /** It answers again. Tried until it succeeds. */
  readonly onBack: () => Promise<void>;
  readonly onFault: (error: unknown) => void;
}

/** How long something may take before it is looked whether PostgreSQL is there. */
export const delayedMs = 2_000;
/** How long PostgreSQL may take to answer before it counts as away: no longer than a restart of it. */
const answerMsMax = 2_000;
const retryMs = 500;

/** Whether this process reaches PostgreSQL. It looks only when something that was asked of it takes long. */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  readonly #closing = new AbortController();
  #away = new AbortController();
  #isLooking = false;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  /** Aborts when PostgreSQL is found to be away, with what to tell. */
  get away(): AbortSignal {
    return this.#away.signal;
  }

  /** Something takes longer than it should. */
  delayed(): void {
    if (!this.#isLooking && !this.#closing.signal.aborted) void this.#look();
  }

  close(): void {
    this.#closing.abort();
  }

  async #look(): Promise<void> {
    const { clock, ask, onAway, onBack, onFault } = this.#options;
    const { signal } = this.#closing;
    this.#isLooking = true;
    try {
      const sinceMs = clock.monotonicMs();
      const answered = this.#untilDone(() => ask(answerMsMax));
      const late = sleep(clock, answerMsMax, signal).then(() => "late", () => "closed");
      if ((await Promise.race([answered, late])) !== "late") return;
      const back = new AbortController();
      this.#away.abort(storeAway(clock.monotonicMs() - sinceMs + delayedMs));
      onAway(AbortSignal.any([back.signal, signal]));
      await answered;
      back.abort();
      this.#away = new AbortController();
      await this.#untilDone(onBack, onFault);
    } finally {
      this.#isLooking = false;
    }
  }

  async #untilDone(work: () => Promise<void>, onFailed: (error: unknown) => void = () => undefined): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await work();
        return;
      } catch (error) {
        onFailed(error);
        await sleep(this.#options.clock, retryMs, this.#closing.signal).catch(() => undefined); // Closed: the loop ends.
      }
    }
  }
}

function storeAway(sinceMs: number): LonghaulError {
  return new LonghaulError("STORE_UNREACHABLE", `This process has not reached PostgreSQL for ${Math.round(sinceMs / 1_000)} s. Another one may; look at the way from here to it.`, { retry: "backoff" });
}
