import type { Clock } from "../../src/base/clock.ts";

/** A clock whose wall time differs from the true one by what `skewMs` says; timers and durations know nothing of it. */
export function skewedClock(clock: Clock, skewMs: () => number): Clock {
  return { now: () => clock.now() + skewMs(), monotonicMs: () => clock.monotonicMs(), setTimer: (delayMs, run) => clock.setTimer(delayMs, run) };
}
