import { type Clock, sleep } from "../base/clock.ts";
import { isLonghaulError, type LonghaulError, type RetryAdvice } from "../base/error.ts";
import type { Random } from "../base/random.ts";
import { computeBackoffDelayMs } from "./backoff.ts";
import type { RetryQuota, RetryTokens } from "./retry-quota.ts";

/** Retry in process. What outlasts it is retried durably by whoever called. */
export const retryDefaults = {
  /** Tries in all. */
  attemptsMax: 3,
  /** Base of the backoff after a transient failure. */
  baseMs: 50,
  /** Base of the backoff after a throttled or overloaded answer that did not say how long to wait. */
  throttledBaseMs: 1000,
  capMs: 20_000,
  /** A stated wait above this is not slept through: the caller parks and frees its slot. */
  parkAfterMs: 20_000,
} as const;

export interface RetryOptions {
  /** The attempt that has just failed, from 1. */
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly advice: RetryAdvice;
  readonly baseMs: number;
  readonly capMs: number;
  /** Default 20 s. */
  readonly parkAfterMs?: number;
  readonly random: Random;
}

export type RetryDecision =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "park"; readonly delayMs: number }
  | { readonly kind: "give-up"; readonly why: "not-retryable" | "attempts-used" };

/**
 * What to do after a failed attempt. A stated wait is honoured exactly; one above `parkAfterMs` parks whatever the number of attempts, since
 * parking uses none up.
 */
export function computeRetry(options: RetryOptions): RetryDecision {
  const { attempt, attemptsMax, advice, baseMs, capMs, parkAfterMs = retryDefaults.parkAfterMs, random } = options;
  if (advice === "never") return { kind: "give-up", why: "not-retryable" };
  const statedMs = advice === "backoff" ? null : Math.max(advice.afterMs, 0);
  if (statedMs !== null && statedMs > parkAfterMs) return { kind: "park", delayMs: statedMs };
  if (attempt >= attemptsMax) return { kind: "give-up", why: "attempts-used" };
  return { kind: "retry", delayMs: statedMs ?? computeBackoffDelayMs({ attempt, baseMs, capMs, random }) };
}

export interface WithRetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal | undefined;
  /** Default 3. */
  readonly attemptsMax?: number | undefined;
  /** Default: 1 s for an error whose code ends in _THROTTLED or _OVERLOADED, else 50 ms. */
  readonly baseMs?: number | undefined;
  /** Default 20 s. */
  readonly capMs?: number | undefined;
  /** Default 20 s. */
  readonly parkAfterMs?: number | undefined;
  /** Whose retries these are, once it is known; null before. A retry that its quota refuses is not made. */
  readonly quota?: (() => RetryQuota | null) | undefined;
  /** True when somebody else is asked instead of this try, which would begin after so long. Default: nobody is. */
  readonly givesWay?: ((error: unknown, delayMs: number) => boolean) | undefined;
  /** Told before each wait. */
  readonly onRetry?: ((retry: { readonly attempt: number; readonly delayMs: number; readonly error: unknown }) => void) | undefined;
}

/**
 * Runs `body` until it succeeds or should not be tried again, or the dependency's quota is used up, then rejects with its last error, unchanged. A park is such a rejection too: the
 * error's `retry.afterMs` is above `parkAfterMs` and says for how long. An error that gives no advice backs off.
 * After an abort no attempt begins and no wait goes on; it rejects with the signal's reason. Honouring the signal inside `body` is the body's.
 */
export async function withRetry<T>(options: WithRetryOptions, body: (attempt: number) => Promise<T>): Promise<T> {
  const { clock, random, signal, attemptsMax = retryDefaults.attemptsMax, capMs = retryDefaults.capMs, parkAfterMs = retryDefaults.parkAfterMs, quota = () => null, givesWay = () => false, onRetry } = options;
  let taken: RetryTokens | null = null;
  let failed: LonghaulError | null = null;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      const result = await body(attempt);
      quota()?.refund(taken);
      return result;
    } catch (error) {
      signal?.throwIfAborted();
      // Nothing was tried: whoever waits for that waits outside, and uses no attempt up.
      if (isNotTried(error)) {
        if (taken !== null) quota()?.refund(taken);
        // A call that failed waits as one that failed: turns that it does not get hide nothing.
        throw error.code === "LIMITER_CLOSED" ? (failed ?? error) : error;
      }
      failed = isLonghaulError(error) && !isRefusedForLimit(error) ? error : null;
      const baseMs = options.baseMs ?? defaultBaseMs(error);
      const decision = computeRetry({ attempt, attemptsMax, advice: adviceOf(error), baseMs, capMs, parkAfterMs, random });
      if (decision.kind !== "retry" || givesWay(error, decision.delayMs)) throw error;
      const bucket = quota();
      taken = bucket === null ? null : bucket.take(isThrottled(error) ? "throttled" : "transient");
      if (bucket !== null && taken === null) throw error;
      onRetry?.({ attempt, delayMs: decision.delayMs, error });
      await sleep(clock, decision.delayMs, signal);
    }
  }
}

/** True when a call was held back and not made. */
export function isNotTried(error: unknown): error is LonghaulError {
  return isLonghaulError(error) && (error.code === "BREAKER_OPEN" || error.code === "LIMITER_CLOSED");
}

function adviceOf(error: unknown): RetryAdvice {
  return isLonghaulError(error) ? error.retry : "backoff";
}

/** What the limiter itself waits for. */
function isRefusedForLimit({ code }: LonghaulError): boolean {
  return code.endsWith("_THROTTLED");
}

function isThrottled(error: unknown): boolean {
  return isLonghaulError(error) && /_(THROTTLED|OVERLOADED)$/.test(error.code);
}

function defaultBaseMs(error: unknown): number {
  return isThrottled(error) ? retryDefaults.throttledBaseMs : retryDefaults.baseMs;
}
