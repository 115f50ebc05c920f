import type { LimitName, StatedLimit } from "../record/stated-limit.ts";
import { correct, freeAtMs, learn, maxOf, type Meter, type MeterPlace, newMeter, reopenAt, takeFrom, usedIn } from "./meter.ts";

/** How much of each limit a call takes. */
export type Need = Readonly<Record<LimitName, number>>;

/** The limits of one account, or of one model of it. */
export interface Limit {
  readonly meters: Readonly<Record<LimitName, Meter>>;
  /** The provider asked to be left alone until then, or refused without a word. */
  readonly closedUntilMs: number;
  /** When it last refused a call that was let through after the refusal before. */
  readonly cutAtMs: number;
  /** Of what it had taken in the minute before, how much it is asked for since. */
  readonly cutTo: number;
  /** Calls that it answered since then. */
  readonly answers: number;
  /** Refusals in a row that did not say how long to wait. */
  readonly refusals: number;
}

/** Where a call stands in a limit. */
export interface LimitPlace {
  readonly atMs: number;
  readonly places: Readonly<Record<LimitName, MeterPlace>>;
  readonly need: Need;
}

/** What holds a call back, and until when. */
export interface Block {
  readonly by: LimitName | "retry-after";
  readonly atMs: number;
  /** Per minute; null when it is not one of so much per minute. */
  readonly max: number | null;
}

const limitDefaults = {
  /** A refusal without a stated wait closes for this long, doubled with each one in a row. */
  closeBaseMs: 1_000,
  closeMaxMs: 60_000,
  /** After such a refusal an account is asked for this share of what it had taken in the minute before. */
  cutShare: 0.5,
  /** An account that had taken less in the minute before is not refused for that: nothing is inferred. */
  inferredMin: 10,
  /** An inferred limit is tried a little higher after so many answers or after this long, by so much with each minute's worth of calls. */
  holdAnswers: 100,
  holdMs: 300_000,
  raiseShare: 0.1,
} as const;

const limitNames: readonly LimitName[] = ["requests", "tokens", "input-tokens", "output-tokens"];

export function newLimit(declared: { readonly requestsPerMinute?: number | undefined; readonly tokensPerMinute?: number | undefined } = {}): Limit {
  const { requestsPerMinute = null, tokensPerMinute = null } = declared;
  const meters = { requests: newMeter(requestsPerMinute), tokens: newMeter(tokensPerMinute), "input-tokens": newMeter(null), "output-tokens": newMeter(null) };
  return { meters, closedUntilMs: Number.NEGATIVE_INFINITY, cutAtMs: Number.NEGATIVE_INFINITY, cutTo: 1, answers: 0, refusals: 0 };
}

/** Null when the call may go now, behind `ahead`, which goes first; else the limit that holds it back the longest. */
export function blockOf(limit: Limit, need: Need, nowMs: number, ahead: Need = nothing): Block | null {
  let block: Block | null = limit.closedUntilMs > nowMs ? { by: "retry-after", atMs: limit.closedUntilMs, max: null } : null;
  for (const name of limitNames) {
    const meter = limit.meters[name];
    const atMs = freeAtMs(meter, need[name], nowMs, ahead[name]);
    if (atMs > Math.max(nowMs, block?.atMs ?? 0)) block = { by: name, atMs, max: maxOf(meter) };
  }
  return block;
}

export function take(limit: Limit, need: Need, nowMs: number): { readonly limit: Limit; readonly place: LimitPlace } {
  const taken = mapNames((name) => takeFrom(limit.meters[name], need[name], nowMs));
  return { limit: { ...limit, meters: mapNames((name) => taken[name].meter) }, place: { atMs: nowMs, places: mapNames((name) => taken[name].place), need } };
}

/** Takes what the answer to a call said of the limits. */
export function takeStated(limit: Limit, stated: readonly StatedLimit[], { places }: LimitPlace, nowMs: number): Limit {
  const learned = mapNames((name) => {
    const one = stated.find((candidate) => candidate.name === name);
    return one === undefined ? limit.meters[name] : learn(limit.meters[name], one, places[name], nowMs);
  });
  return { ...limit, meters: learned };
}

/** Takes what a call used in place of what was counted for it. */
export function settle(limit: Limit, { places }: LimitPlace, used: Need): Limit {
  return { ...limit, meters: mapNames((name) => correct(limit.meters[name], places[name], used[name])) };
}

/** A call succeeded: after a while an inferred limit is tried a little higher. */
export function raise(limit: Limit, { atMs }: LimitPlace, nowMs: number): Limit {
  if (atMs <= limit.cutAtMs) return limit;
  const { requests } = limit.meters;
  if (requests.inferred === null) return limit.refusals === 0 ? limit : { ...limit, refusals: 0 };
  const answers = limit.answers + 1;
  const isHeld = answers <= limitDefaults.holdAnswers && nowMs - limit.cutAtMs < limitDefaults.holdMs;
  const inferred = requests.inferred + (isHeld ? 0 : Math.max(1, requests.inferred * limitDefaults.raiseShare) / requests.inferred);
  return { ...limit, answers, refusals: 0, meters: { ...limit.meters, requests: { ...requests, inferred } } };
}

/** True when the provider stated that too little is left for a call of this size. */
export function explains(limit: Limit, need: Need): boolean {
  return limitNames.some((name) => need[name] > 0 && (limit.meters[name].rest?.left ?? Number.POSITIVE_INFINITY) < need[name]);
}

/**
 * The provider refused a call that this limit had let through. `statedMs`: how long it asked to be left alone; null when it did not say. Where no limit
 * that it stated explains that, what it took in the last minute is all that it is asked for, or half of that when it did not say for how long. When it took
 * hardly anything, others have used it up or it was a moment's whim, and nothing can be inferred.
 */
export function refuse(limit: Limit, place: LimitPlace, statedMs: number | null, nowMs: number): Limit {
  const returned = settle(limit, place, nothing);
  // Those that were under way when it first refused one are of the same cut.
  const isNew = place.atMs > limit.cutAtMs;
  const refusals = statedMs === null && isNew ? limit.refusals + 1 : limit.refusals;
  const closeMs = statedMs ?? Math.min(limitDefaults.closeMaxMs, limitDefaults.closeBaseMs * 2 ** (Math.max(1, refusals) - 1));
  const cutTo = isNew ? (statedMs === null ? limitDefaults.cutShare : 1) : limit.cutTo;
  const { requests } = returned.meters;
  const taken = usedIn(requests, nowMs);
  const isTelling = taken >= limitDefaults.inferredMin && !explains(limit, place.need);
  const inferred = isTelling ? Math.max(limitDefaults.inferredMin, Math.floor(taken * cutTo)) : requests.inferred;
  // How long to wait is said of this call; when everything is there again, of all.
  const meters = statedMs === null ? returned.meters : mapNames((name) => reopenAt(returned.meters[name], nowMs + statedMs));
  return {
    ...returned,
    closedUntilMs: Math.max(returned.closedUntilMs, nowMs + closeMs),
    cutAtMs: isNew ? nowMs : limit.cutAtMs,
    cutTo,
    answers: isNew ? 0 : limit.answers,
    refusals,
    meters: { ...meters, requests: { ...meters.requests, inferred } },
  };
}

export const nothing: Need = { requests: 0, tokens: 0, "input-tokens": 0, "output-tokens": 0 };

/** What a call of so many tokens takes. */
export function needOf(inputTokens: number, outputTokens: number): Need {
  return { requests: 1, tokens: inputTokens + outputTokens, "input-tokens": inputTokens, "output-tokens": outputTokens };
}

export function lessTokens(need: Need, tokens: number): Need {
  return mapNames((name) => (name === "requests" ? need[name] : Math.max(0, need[name] - tokens)));
}

/** What many calls need together. `usedShare`: of the tokens that they set aside. */
export function sumOf(needs: readonly Need[], usedShare: number): Need {
  let tokens = 0;
  let input = 0;
  let output = 0;
  for (const need of needs) {
    tokens += need.tokens;
    input += need["input-tokens"];
    output += need["output-tokens"];
  }
  return { requests: needs.length, tokens: tokens * usedShare, "input-tokens": input * usedShare, "output-tokens": output * usedShare };
}

function mapNames<T>(make: (name: LimitName) => T): Readonly<Record<LimitName, T>> {
  return { requests: make("requests"), tokens: make("tokens"), "input-tokens": make("input-tokens"), "output-tokens": make("output-tokens") };
}
