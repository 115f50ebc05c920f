import { isLonghaulError, type LonghaulError } from "../base/error.ts";
import { formatDuration } from "../base/duration.ts";
import type { Random } from "../base/random.ts";
import type { CallEnd } from "../policy/breaker.ts";
import type { BreakerChange } from "../policy/breakers.ts";
import type { Parked } from "./parked.ts";
import type { StepLog } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

export interface GuardedCall<T> {
  readonly dependency: string;
  readonly signal: AbortSignal;
  /** What a failure says of the dependency. */
  readonly endOf: (error: unknown) => CallEnd;
  /** What a result says of it. Default: good. */
  readonly endOfResult?: (result: T) => CallEnd;
  /** A good call that took longer counts as bad. Default: none does. */
  readonly slowMs?: number;
  readonly log: StepLog;
}

/** Calls a dependency if its breaker lets the call through, and tells the breaker what came of it. @throws {BREAKER_OPEN} when it does not. */
export async function throughBreaker<T>({ services }: RunScope, call: GuardedCall<T>, body: () => Promise<T>): Promise<T> {
  const { breakers, clock } = services;
  const { dependency, signal, endOf, endOfResult = () => "good", slowMs = Number.POSITIVE_INFINITY, log } = call;
  const pass = await breakers.enter(dependency);
  const leave = async (end: CallEnd): Promise<void> => {
    const change = await breakers.leave(dependency, pass, end);
    if (change !== null) log.note({ event_type: "breaker", result: change.to, reason: describe(dependency, change), data: { dependency, ...change } });
  };
  const startedMs = clock.monotonicMs();
  try {
    const result = await body();
    const isSlow = clock.monotonicMs() - startedMs > slowMs;
    const end = endOfResult(result);
    await leave(signal.aborted ? "none" : end === "good" && isSlow ? "bad" : end);
    return result;
  } catch (error) {
    await leave(signal.aborted ? "none" : endOf(error));
    throw error;
  }
}

export function isRefusedByBreaker(error: unknown): error is LonghaulError {
  return isLonghaulError(error) && error.code === "BREAKER_OPEN";
}

/** Runs that wait for one breaker come back over this time, not all at once. */
const spreadMs = 10_000;

/** The run waits outside, with no slot and no attempt used up. */
export function parkedByBreaker(error: LonghaulError, random: Random): Parked {
  const afterMs = typeof error.retry === "object" ? error.retry.afterMs : 0;
  return { parked: "breaker", forMs: Math.max(1, Math.ceil(afterMs + spreadMs * random.next())), signal: null, effectKey: null };
}

function describe(dependency: string, { to, openMs }: BreakerChange): string {
  if (to === "open") return `${dependency} is not called for ${formatDuration(openMs ?? 0)}: most calls of it failed.`;
  return to === "closed" ? `${dependency} answers again: every call is let through.` : `${dependency} is tried again.`;
}
