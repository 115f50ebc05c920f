import type { RateLimit } from "./wire-format.ts";

/** What one account may ask for in a minute. */
export interface ProviderLimits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

const windowMs = 60_000;
const requestsMaxDefault = 4_000;
const tokensMaxDefault = 2_000_000;

/** Counts requests and tokens of one account in the current minute, for the rate-limit headers. Limits that are given are enforced; the others are reported only. */
export class RateWindow {
  readonly #limits: ProviderLimits;
  #startedAtMs = 0;
  #requests = 0;
  #tokens = 0;

  constructor(limits: ProviderLimits = {}) {
    this.#limits = limits;
  }

  /** False when a call with so many input tokens is over a limit that is enforced: it is not counted. */
  admits(nowMs: number, inputTokens: number): boolean {
    this.#roll(nowMs);
    const { requestsPerMinute = Number.POSITIVE_INFINITY, tokensPerMinute = Number.POSITIVE_INFINITY } = this.#limits;
    // Itself is among those that are counted.
    if (this.#requests <= requestsPerMinute && this.#tokens + inputTokens <= tokensPerMinute) return true;
    this.#requests--;
    return false;
  }

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
    const { requestsPerMinute = requestsMaxDefault, tokensPerMinute = tokensMaxDefault } = this.#limits;
    return {
      requestsMax: requestsPerMinute,
      requestsLeft: isExhausted ? 0 : Math.max(0, requestsPerMinute - this.#requests),
      tokensMax: tokensPerMinute,
      tokensLeft: isExhausted ? 0 : Math.max(0, tokensPerMinute - this.#tokens),
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
