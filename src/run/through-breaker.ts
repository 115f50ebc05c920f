import { isLonghaulError, type LonghaulError } from "../base/error.ts";
import { formatDuration } from "../base/duration.ts";
import type { Random } from "../base/random.ts";
import { breakerDefaults, type CallEnd, endOfSuccess } from "../policy/breaker.ts";
import type { BreakerChange } from "../policy/breakers.ts";
import type { Parked } from "./parked.ts";
import type { StepLog } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

export interface GuardedCall {
  readonly dependency: string;
  readonly signal: AbortSignal;
  /** What a failure says of the dependency. */
  readonly endOf: (error: unknown) => CallEnd;
  readonly log: StepLog;
}

/** Calls a dependency if its breaker lets the call through, and tells the breaker what came of it. @throws {BREAKER_OPEN} when it does not. */
export async function throughBreaker<T>({ services }: RunScope, call: GuardedCall, body: () => Promise<T>): Promise<T> {
  const { breakers, clock } = services;
  const { dependency, signal, endOf, log } = call;
  const pass = await breakers.enter(dependency);
  const leave = async (end: CallEnd): Promise<void> => {
    const change = await breakers.leave(dependency, pass, end);
    if (change !== null) log.note({ event_type: "breaker", result: change.to, reason: describe(dependency, change), data: { dependency, ...change } });
  };
  const startedMs = clock.monotonicMs();
  try {
    const result = await body();
    await leave(endOfSuccess(clock.monotonicMs() - startedMs, breakerDefaults));
    return result;
  } catch (error) {
    await leave(signal.aborted ? "none" : endOf(error));
    throw error;
  }
}

/** Runs that wait for one breaker come back over this time, not all at once. */
const spreadMs = 10_000;

/** The run waits outside, with no slot and no attempt used up. */
export function parkedByBreaker(error: LonghaulError, random: Random): Parked {
  const afterMs = isLonghaulError(error) && typeof error.retry === "object" ? error.retry.afterMs : 0;
  return { parked: "breaker", forMs: Math.max(1, Math.ceil(afterMs + spreadMs * random.next())), signal: null, effectKey: null };
}

function describe(dependency: string, { to, openMs }: BreakerChange): string {
  if (to === "open") return `${dependency} is not called for ${formatDuration(openMs ?? 0)}: most calls of it failed.`;
  return to === "closed" ? `${dependency} answers again: every call is let through.` : `${dependency} is tried again.`;
}
