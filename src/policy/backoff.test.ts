import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { computeBackoffDelayMs } from "./backoff.ts";

describe("computeBackoffDelayMs", () => {
  it("stays a whole number between 0 and the doubling ceiling, and never passes the cap", () => {
    const options = fc.record({ attempt: fc.integer({ min: 1, max: 2000 }), baseMs: fc.integer({ min: 1, max: 60_000 }), capMs: fc.integer({ min: 1, max: 3_600_000 }), seed: fc.integer() });
    // A failure prints the seed and path that replay it.
    fc.assert(
      fc.property(options, ({ attempt, baseMs, capMs, seed }) => {
        const delayMs = computeBackoffDelayMs({ attempt, baseMs, capMs, random: seededRandom(seed) });

        expect(Number.isInteger(delayMs)).toBe(true);
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThanOrEqual(Math.min(capMs, baseMs * 2 ** (attempt - 1)));
      }),
    );
  });

  it("spreads evenly over its whole range", () => {
    const seed = 7;
    const random = seededRandom(seed);
    const quarters = [0, 0, 0, 0];
    let sumMs = 0;

    for (let draw = 0; draw < 8000; draw++) {
      const delayMs = computeBackoffDelayMs({ attempt: 4, baseMs: 50, capMs: 20_000, random });
      sumMs += delayMs;
      const quarter = Math.min(Math.floor(delayMs / 100), 3);
      quarters[quarter] = (quarters[quarter] ?? 0) + 1;
    }

    expect(sumMs / 8000, `seed ${seed}`).toBeGreaterThan(192);
    expect(sumMs / 8000, `seed ${seed}`).toBeLessThan(208);
    for (const count of quarters) expect(Math.abs(count - 2000), `seed ${seed}`).toBeLessThan(150);
  });

  it("reaches both ends of its range", () => {
    const fixed = (value: number) => ({ next: () => value, split: () => fixed(value) });

    expect(computeBackoffDelayMs({ attempt: 3, baseMs: 50, capMs: 20_000, random: fixed(0) })).toBe(0);
    expect(computeBackoffDelayMs({ attempt: 3, baseMs: 50, capMs: 20_000, random: fixed(1 - 2 ** -32) })).toBe(200);
    expect(computeBackoffDelayMs({ attempt: 3000, baseMs: 50, capMs: 20_000, random: fixed(1 - 2 ** -32) })).toBe(20_000);
  });

  it("gives the same delays for the same seed, and others for another", () => {
    const delays = (seed: number) => {
      const random = seededRandom(seed);
      return [1, 2, 3, 4, 5].map((attempt) => computeBackoffDelayMs({ attempt, baseMs: 1000, capMs: 60_000, random }));
    };

    expect(delays(3)).toEqual(delays(3));
    expect(delays(3)).not.toEqual(delays(4));
  });
});
