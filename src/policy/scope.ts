import type { StatedLimit } from "../record/stated-limit.ts";
import { explains, type Limit, type LimitPlace, type Need, newLimit, refuse, settle, take, takeStated } from "./limit.ts";

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
  /** When all places are taken and none was given back for so long, nor for so many times as long as a call takes, nobody waits here for one any more. */
  hangMs: 5_000,
  hangCalls: 2,
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
  /** Whoever is due to come back has this long to do so before others take its turn. */
  returnMs: 2_000,
  /** The place of a caller that does not come back is kept for so long, and for a tenth of its wait. */
  keepPlaceMs: 60_000,
  /** One that is overdue and was sent away so often is not overtaken in the minute before it is due: it needs more than what others leave. */
  reserveAfterSent: 3,
  reserveMs: 61_000,
} as const;

/** How much the newest of a number of measurements counts. */
const newestShare = 0.2;

/** One account, or one model of it: its limits, and how many of its calls are under way. */
export class Scope {
  limit: Limit;
  underWay = 0;
  /** Tokens that calls under way set aside. */
  reserved = 0;
  #usedShare: number | null = null;
  #usedAtMs = Number.NEGATIVE_INFINITY;
  readonly #placesMax: number;
  /** How many may be under way while little is known of it; null when it is not asked carefully any more. */
  #careful: number | null;
  #answersPerPlace: number = limiterDefaults.answersPerPlace;
  /** When all its places were taken, or one of them was given back, last. */
  #movedAtMs = Number.NEGATIVE_INFINITY;
  /** How long a call takes, of late. */
  #callMs: number | null = null;

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

  /** Of the tokens that calls set aside, how many they use of late. 0 while nobody knows: whoever waits behind others comes back early, and is told better. */
  get usedShare(): number {
    return this.#usedShare ?? 0;
  }

  /** How far apart calls end that are under way. */
  get paceMs(): number {
    return (this.#callMs ?? 0) / Math.max(1, this.underWay);
  }

  /** When all places have been taken for so long, and none given back, that nobody waits here for one any more. */
  get hangsAtMs(): number {
    return this.underWay < this.places ? Number.POSITIVE_INFINITY : this.#movedAtMs + Math.max(limiterDefaults.hangMs, limiterDefaults.hangCalls * (this.#callMs ?? 0));
  }

  /** True when nobody used it for long, and the provider did not ask to be left alone for longer. */
  isForgotten(nowMs: number): boolean {
    return this.underWay === 0 && nowMs >= this.limit.closedUntilMs && nowMs - this.#usedAtMs > limiterDefaults.forgetAfterMs;
  }

  take(need: Need, nowMs: number): LimitPlace {
    const { limit, place } = take(this.limit, need, nowMs);
    this.limit = limit;
    this.underWay++;
    this.reserved += need.tokens;
    this.#usedAtMs = nowMs;
    if (this.underWay >= this.places) this.#movedAtMs = nowMs;
    return place;
  }

  leave({ atMs, need }: LimitPlace, nowMs: number): void {
    this.#callMs = mix(this.#callMs, nowMs - atMs);
    this.underWay--;
    this.reserved -= need.tokens;
    this.#usedAtMs = nowMs;
    this.#movedAtMs = nowMs;
  }

  used(place: LimitPlace, need: Need): void {
    this.limit = settle(this.limit, place, need);
    if (place.need.tokens === 0) return;
    const share = Math.min(1, need.tokens / place.need.tokens);
    this.#usedShare = mix(this.#usedShare, share);
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

function mix(known: number | null, newest: number): number {
  return known === null ? newest : known + (newest - known) * newestShare;
}
