import type { Clock } from "../base/clock.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { type Breaker, type BreakerConfig, closedBreaker } from "./breaker.ts";

/** A breaker as it is kept: instants are of the wall clock, which processes share, and the calls of a closed one are left out. */
export function breakerToJson(breaker: Breaker, clock: Clock): Json {
  const { state, generation } = breaker;
  const atMs = (monotonicMs: number): number => Math.round(clock.now() + monotonicMs - clock.monotonicMs());
  switch (state) {
    case "closed":
      return { state, generation };
    case "isolated":
      return { state, generation, reason: breaker.reason };
    case "open":
      return { state, generation, opens: breaker.opens, untilAtMs: atMs(breaker.untilMs) };
    case "half-open":
      return { state, generation, opens: breaker.opens, good: breaker.good, bad: breaker.bad, leases: breaker.leases.map(({ id, untilMs }) => ({ id, untilAtMs: atMs(untilMs) })) };
  }
}

/** What cannot be read is closed: a call tells more than a text that somebody changed. However the wall clock was set meanwhile, nothing lasts longer than the configuration lets it. */
export function breakerFromJson(stored: Json, clock: Clock, { openMaxMs, probeLeaseMs }: BreakerConfig): Breaker {
  if (!isJsonObject(stored) || !Number.isSafeInteger(stored["generation"])) return closedBreaker();
  const generation = Number(stored["generation"]);
  const until = (atMs: Json | undefined, maxMs: number): number => clock.monotonicMs() + Math.min(Math.max(0, (Number(atMs) || 0) - clock.now()), maxMs);
  switch (stored["state"]) {
    case "isolated":
      return { state: "isolated", generation, reason: String(stored["reason"]) };
    case "open":
      return { state: "open", generation, opens: Number(stored["opens"]) || 1, untilMs: until(stored["untilAtMs"], openMaxMs) };
    case "half-open": {
      const leases = Array.isArray(stored["leases"]) ? stored["leases"].filter(isJsonObject) : [];
      return {
        state: "half-open", generation, opens: Number(stored["opens"]) || 1, good: Number(stored["good"]) || 0, bad: Number(stored["bad"]) || 0,
        leases: leases.map((lease) => ({ id: String(lease["id"]), untilMs: until(lease["untilAtMs"], probeLeaseMs) })),
      };
    }
    default:
      return closedBreaker(generation);
  }
}
