import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { type Breaker, closedBreaker, isolate } from "./breaker.ts";
import { breakerFromJson, breakerToJson } from "./breaker-json.ts";
import type { BreakerMemory } from "./breakers.ts";
import { breakerConfigOf } from "./callee-dependency.ts";

/** What a person makes of a breaker: nothing is let through until it is closed by hand, for a reason that is shown; or everything is, as if nothing had failed. */
export type BreakerDecision = { readonly isolate: string } | "close";

export interface BreakerDesk {
  readonly memory: BreakerMemory;
  readonly clock: Clock;
}

/** Tries against processes that change the same breaker. */
const triesMax = 20;

/** Sets a breaker where all processes find it: those that run see it with their next call, at most 5 s later. Returns its state before. @throws {STORE_CONFLICT} when others keep changing it. */
export async function decideBreaker(dependency: string, decision: BreakerDecision, { memory, clock }: BreakerDesk): Promise<Breaker["state"]> {
  for (let tries = 1; tries <= triesMax; tries++) {
    const stored = await memory.load(dependency);
    const before = stored === null ? closedBreaker() : breakerFromJson(stored, clock, breakerConfigOf(dependency));
    const after = decision === "close" ? closedBreaker(before.generation + 1) : isolate(before, decision.isolate);
    if (await memory.swap(dependency, stored, breakerToJson(after, clock))) return before.state;
  }
  throw new LonghaulError("STORE_CONFLICT", `The breaker of ${dependency} was changed by others ${triesMax} times while it was to be set. Type it again.`, { retry: "backoff" });
}
