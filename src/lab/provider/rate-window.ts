import type { RateLimit } from "./wire-format.ts";

const windowMs = 60_000;
const requestsMax = 4_000;
const tokensMax = 2_000_000;

/** Counts requests and tokens of the current minute for the rate-limit headers. The limits are reported, not enforced: 429 is a fault to ask for. */
export class RateWindow {
  #startedAtMs = 0;
  #requests = 0;
  #tokens = 0;

  countRequest(nowMs: number): void {
    this.#roll(nowMs);
    this.#requests++;
  }

  countTokens(tokens: number): void {
    this.#tokens += tokens;
  }

  /** What is left of this minute; nothing when the answer is a 429. */
  limitAt(nowMs: number, isExhausted: boolean): RateLimit {
    this.#roll(nowMs);
    return {
      requestsMax,
      requestsLeft: isExhausted ? 0 : Math.max(0, requestsMax - this.#requests),
      tokensMax,
      tokensLeft: isExhausted ? 0 : Math.max(0, tokensMax - this.#tokens),
      nowMs,
      resetAtMs: this.#startedAtMs + windowMs,
    };
  }

  #roll(nowMs: number): void {
    const startedAtMs = Math.floor(nowMs / windowMs) * windowMs;
    if (startedAtMs === this.#startedAtMs) return;
    this.#startedAtMs = startedAtMs;
    this.#requests = 0;
    this.#tokens = 0;
  }
}
