import { orAborted } from "../base/abort.ts";
import { isLonghaulError, type LonghaulError } from "../base/error.ts";
import type { Random } from "../base/random.ts";
import type { CallEnd } from "../policy/breaker.ts";
import { breakerSignalPrefix, type Parked } from "./parked.ts";
import type { RecordPlace } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

export interface GuardedCall {
  readonly dependency: string;
  readonly signal: AbortSignal;
  /** What the call came to, as the dependency is judged by it: asked when it is over, with what it threw. */
  readonly endOf: (error: unknown) => CallEnd;
  /** A good call that took longer counts as bad. Default: none does. */
  readonly slowMs?: number;
}

/** Calls a dependency if its breaker lets the call through, and tells the breaker what came of it. @throws {BREAKER_OPEN} when it does not. */
export async function throughBreaker<T>({ services }: RunScope, call: GuardedCall, body: () => Promise<T>): Promise<T> {
  const { breakers, clock } = services;
  const { dependency, signal, endOf, slowMs = Number.POSITIVE_INFINITY } = call;
  const pass = await orAborted(signal, () => breakers.enter(dependency));
  const startedMs = clock.monotonicMs();
  let error: unknown;
  try {
    return await body();
  } catch (thrown) {
    error = thrown;
    throw thrown;
  } finally {
    const end = endOf(error);
    // Nobody waits for it: whoever stops has no time, and the result is there.
    void breakers.leave(dependency, pass, signal.aborted ? "none" : end === "good" && clock.monotonicMs() - startedMs > slowMs ? "bad" : end);
  }
}

export function isRefusedByBreaker(error: unknown): error is LonghaulError {
  return isLonghaulError(error) && error.code === "BREAKER_OPEN";
}

/** Runs that wait for one breaker come back over this time, not all at once. */
const spreadMs = 10_000;

/** The run waits outside, with no slot and no attempt used up. */
export function parkedByBreaker(afterMs: number, random: Random): Parked {
  return { parked: "breaker", forMs: Math.max(1, Math.ceil(afterMs + spreadMs * random.next())), signal: null, effectKey: null };
}

/** What a call waits for that was refused. One that a person keeps from being called is told when that is over. */
export function parkedByRefusal({ retry, details }: LonghaulError, random: Random): Parked {
  const parked = parkedByBreaker(typeof retry === "object" ? retry.afterMs : 0, random);
  return details["state"] === "isolated" ? { ...parked, signal: `${breakerSignalPrefix}${String(details["dependency"])}` } : parked;
}

/** The place of the record of a refusal. A run that comes back to what a person still keeps shut says so once. */
export function placeOfRefusal(place: RecordPlace, { details }: LonghaulError): RecordPlace {
  if (details["state"] !== "isolated") return place;
  return { ...place, identity: { kind: "note", name: `${breakerSignalPrefix}${String(details["dependency"])}`, occurrence: Number(details["generation"]) }, n: 0 };
}
