import type { StatedLimit } from "../record/stated-limit.ts";
import { explains, type Limit, type LimitPlace, type Need, newLimit, refuse, settle, takeStated } from "./limit.ts";

/** What a team declares of an account or of a model of it. */
export interface DeclaredLimits {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
  /** Calls at once. */
  readonly concurrency?: number | undefined;
}

export const limiterDefaults = {
  /** Calls of one account, of one tool or of one tool server that are under way at once. */
  modelConcurrency: 256,
  toolConcurrency: 64,
  /** A turn that is further off than this is waited for outside. */
  parkAfterMs: 20_000,
  /** When all places are taken and none was given back for so long, nobody waits here any more. */
  hangMs: 5_000,
  /** When to come back, at least and at most, for a place of which nobody knows when it is given back. */
  askAgainMs: 15_000,
  askAgainMaxMs: 600_000,
  /** First calls of a model of which nothing is known, at once: as many as open its breaker when it is dead. One more with so many answers. */
  firstAtOnce: 10,
  answersPerPlace: 4,
  /** After a refusal that no stated limit explains half as many are under way, but as many as at first, and one more with so many answers. */
  answersPerPlaceAfterRefusal: 32,
  /** An account that nobody asked for so long is one of which nothing is known. */
  forgetAfterMs: 3_600_000,
  /** Above so many accounts, those that are forgotten are dropped. */
  accountsMax: 256,
  /** Whoever is due to come back has this long to do so before others take its turn. */
  returnMs: 2_000,
  /** The place of a caller that does not come back is kept for so long, and for a tenth of its wait. */
  keepPlaceMs: 60_000,
} as const;

/** How much the newest of a number of measurements counts. */
export const newestShare = 0.2;

/** One account, or one model of it: its limits, and how many of its calls are under way. */
export class Scope {
  limit: Limit;
  underWay = 0;
  usedAtMs = Number.NEGATIVE_INFINITY;
  /** Tokens that calls under way set aside. */
  reserved = 0;
  /** Of the tokens that calls set aside, how many they use of late. 0 while nobody knows: whoever waits behind others comes back early, and is told better. */
  usedShare = 0;
  readonly #placesMax: number;
  /** How many may be under way while little is known of it; null when it is not asked carefully any more. */
  #careful: number | null;
  #answersPerPlace: number = limiterDefaults.answersPerPlace;

  constructor(declared: DeclaredLimits, placesMax: number, isCareful: boolean) {
    this.limit = newLimit(declared);
    this.#placesMax = declared.concurrency ?? placesMax;
    this.#careful = isCareful && declared.requestsPerMinute === undefined ? limiterDefaults.firstAtOnce : null;
  }

  get places(): number {
    return this.#careful === null ? this.#placesMax : Math.min(this.#placesMax, Math.floor(this.#careful));
  }

  /** True while it has few places only since little is known of it. */
  get isCareful(): boolean {
    return this.places < this.#placesMax;
  }

  used(place: LimitPlace, need: Need): void {
    this.limit = settle(this.limit, place, need);
    if (place.need.tokens === 0) return;
    const share = Math.min(1, need.tokens / place.need.tokens);
    this.usedShare += (share - this.usedShare) * (this.usedShare === 0 ? 1 : newestShare);
  }

  /** The more it answers without a word of limits, the more it is asked at once. */
  answered(): void {
    if (this.#careful === null) return;
    this.#careful += 1 / this.#answersPerPlace;
    if (this.#careful >= this.#placesMax) this.#careful = null;
  }

  stated(limits: readonly StatedLimit[], place: LimitPlace, nowMs: number): void {
    this.limit = takeStated(this.limit, limits, place, nowMs);
    if (limits.some(({ max }) => max !== null)) this.#careful = null;
  }

  refused(place: LimitPlace, statedMs: number | null, nowMs: number): void {
    if (!explains(this.limit, place.need) && place.atMs > this.limit.cutAtMs) {
      this.#careful = Math.max(limiterDefaults.firstAtOnce, Math.min(this.places, this.underWay) / 2);
      this.#answersPerPlace = limiterDefaults.answersPerPlaceAfterRefusal;
    }
    this.limit = refuse(this.limit, place, statedMs, nowMs);
  }
}
