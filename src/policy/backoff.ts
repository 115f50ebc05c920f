import { integerBetween, type Random } from "../base/random.ts";

export interface BackoffOptions {
  /** The attempt that has just failed, from 1. */
  readonly attempt: number;
  /** The largest delay after the first attempt; it doubles with every further one. */
  readonly baseMs: number;
  /** No delay is longer. */
  readonly capMs: number;
  readonly random: Random;
}

/** Full jitter: a whole number of milliseconds, uniform in [0, min(capMs, baseMs × 2^(attempt − 1))]. */
export function computeBackoffDelayMs({ attempt, baseMs, capMs, random }: BackoffOptions): number {
  return integerBetween(random, 0, Math.floor(Math.min(capMs, baseMs * 2 ** (attempt - 1))));
}
