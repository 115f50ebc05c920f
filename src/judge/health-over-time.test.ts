import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeHealth } from "../record/health.ts";
import type { WaitingReason } from "../record/task.ts";
import { computeHealth } from "./health.ts";
import type { AgentExpectation, AgentObservation } from "./observation.ts";

const nowMs = Date.UTC(2026, 5, 1);
const instant = fc.integer({ min: -20_000, max: 0 }).map((offsetMs) => nowMs + offsetMs);
const reasons: readonly WaitingReason[] = ["timer", "human", "signal", "child", "retry", "breaker", "rate-limit", "budget", "paused", "unknown-effect"];
const running = fc.record({ taskId: fc.constantFrom("t_1", "t_2"), startedAtMs: instant, openSinceMs: instant, lastActivityAtMs: instant });
const waiting = fc.record({ taskId: fc.constantFrom("t_3", "t_4"), reason: fc.constantFrom(...reasons), sinceMs: instant, openSinceMs: instant });
const schedule = fc.record({
  triggerId: fc.constant("every"), nextAtMs: fc.integer({ min: -20_000, max: 20_000 }).map((offsetMs) => nowMs + offsetMs),
  intervalMs: fc.integer({ min: 1, max: 10_000 }), lastReceiptAtMs: fc.option(instant),
});

const observations: fc.Arbitrary<AgentObservation> = fc.record({
  agent: fc.constant("research"), observedSinceMs: instant, firesSinceMs: instant, progressSinceMs: instant, oldestQueuedAtMs: fc.option(instant), running: fc.array(running, { maxLength: 3 }),
  waiting: fc.array(waiting, { maxLength: 3 }), paused: fc.boolean(), lastProgressAtMs: fc.option(instant), progressCount: fc.nat(9),
  doneSinceProgress: fc.nat(2), deadSinceProgress: fc.nat(2), firstEndSinceProgressAtMs: fc.option(instant), lastEndedAtMs: fc.option(instant),
  consecutiveDead: fc.nat(3), lastDeadReason: fc.constantFrom(null, "failed", "empty"), degraded: fc.constantFrom(null, "another model answered"), schedules: fc.array(schedule, { maxLength: 2 }), slotsFree: fc.nat(2),
}).map((drawn) => ({ ...drawn, queued: drawn.oldestQueuedAtMs === null ? 0 : 2 }));

const expectations: fc.Arbitrary<AgentExpectation> = fc.record({
  progressWithinMs: fc.integer({ min: 1, max: 30_000 }), consecutiveDeadMax: fc.integer({ min: 2, max: 4 }), activityWithinMs: fc.integer({ min: 1, max: 30_000 }),
});

/** Printed by fast-check when a property fails, with the path that replays it. */
const seed = 20_260_101;
const runs = { seed, numRuns: 3000 };

describe("a verdict, while no record comes", () => {
  it("does not change before its review, and does change at it", () => {
    let reviews = 0;
    fc.assert(
      fc.property(observations, expectations, fc.double({ min: 0, max: 1, noNaN: true }), (observation, expectation, share) => {
        const before = computeHealth(observation, expectation, nowMs);
        const untilMs = before.reviewAtMs ?? nowMs + 10_000_000;
        const atMs = Math.floor(nowMs + (untilMs - 1 - nowMs) * share);

        expect(describeHealth(computeHealth(observation, expectation, atMs).health)).toBe(describeHealth(before.health));
        expect(describeHealth(computeHealth(observation, expectation, untilMs - 1).health)).toBe(describeHealth(before.health));
        if (before.reviewAtMs === null) return;
        reviews++;
        expect(before.reviewAtMs).toBeGreaterThan(nowMs);
        expect(describeHealth(computeHealth(observation, expectation, before.reviewAtMs).health)).not.toBe(describeHealth(before.health));
      }),
      runs,
    );
    expect(reviews, `seed ${seed}`).toBeGreaterThan(500);
  });

  it("stays bad once it is bad", () => {
    fc.assert(
      fc.property(observations, expectations, fc.array(fc.nat(120_000), { minLength: 2, maxLength: 8 }), (observation, expectation, offsets) => {
        const verdicts = offsets.toSorted((a, b) => a - b).map((offsetMs) => computeHealth(observation, expectation, nowMs + offsetMs).bad);

        expect(verdicts).toEqual(verdicts.toSorted((a, b) => Number(a) - Number(b)));
      }),
      runs,
    );
  });

  it("reaches its end in a few reviews, so that a watchdog never spins", () => {
    fc.assert(
      fc.property(observations, expectations, (observation, expectation) => {
        let atMs: number | null = nowMs;
        let reviews = 0;
        while (atMs !== null && reviews < 10) {
          atMs = computeHealth(observation, expectation, atMs).reviewAtMs;
          reviews++;
        }
        expect(atMs).toBeNull();
        expect(reviews).toBeLessThanOrEqual(5);
      }),
      runs,
    );
  });

  it("is never bad without work, without schedules and without a task that ended", () => {
    const quiet = { queued: 0, oldestQueuedAtMs: null, running: [], waiting: [], schedules: [], doneSinceProgress: 0, deadSinceProgress: 0, consecutiveDead: 0 };
    fc.assert(
      fc.property(observations, expectations, fc.nat(1_000_000_000), (observation, expectation, afterMs) => {
        expect(computeHealth({ ...observation, ...quiet }, expectation, nowMs + afterMs)).toMatchObject({ bad: false, reviewAtMs: null });
      }),
      runs,
    );
  });
});
