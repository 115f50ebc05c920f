import type { Clock } from "../base/clock.ts";

/** A wall clock that gains less than this between two looks was corrected, not set. */
const jumpMsMin = 60_000;

/**
 * Since when time has gone by for this process without a gap. A machine that slept, or whose wall clock was set forward, shows hours in which nobody could have
 * worked: whoever judges by the wall clock must not count them.
 */
export class AwakeSince {
  readonly #clock: Clock;
  #aheadMs: number;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#aheadMs = clock.now() - clock.monotonicMs();
    this.#sinceMs = clock.now();
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Compares the clocks. True when the wall clock has gained since the last look. */
  look(): boolean {
    const aheadMs = this.#clock.now() - this.#clock.monotonicMs();
    const hasJumped = aheadMs - this.#aheadMs >= jumpMsMin;
    this.#aheadMs = aheadMs;
    if (hasJumped) this.#sinceMs = this.#clock.now();
    return hasJumped;
  }
}
