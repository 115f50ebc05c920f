import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { correct, freeAtMs, learn, type Meter, type MeterPlace, newMeter, takeFrom } from "./meter.ts";

const minuteMs = 60_000;

interface Granted {
  readonly atMs: number;
  readonly amount: number;
}

/** Lets through whatever may go when it asks. */
function run(max: number, asks: readonly { readonly afterMs: number; readonly amount: number }[]): readonly Granted[] {
  let meter = newMeter(max);
  let nowMs = 12_345.5;
  const granted: Granted[] = [];
  for (const { afterMs, amount } of asks) {
    nowMs += afterMs;
    if (freeAtMs(meter, amount, nowMs) > nowMs) continue;
    meter = takeFrom(meter, amount, nowMs).meter;
    granted.push({ atMs: nowMs, amount });
  }
  return granted;
}

function mostInAMinute(granted: readonly Granted[]): number {
  return Math.max(0, ...granted.map(({ atMs }) => granted.filter((other) => other.atMs >= atMs && other.atMs < atMs + minuteMs).reduce((sum, { amount }) => sum + amount, 0)));
}

const asks = fc.array(fc.record({ afterMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5_000, noNaN: true }), fc.integer({ min: 0, max: 90_000 })), amount: fc.integer({ min: 1, max: 40 }) }), { maxLength: 200 });

describe("a limit per minute", () => {
  it("is kept in each minute, wherever that begins", () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 400 }), asks, (max, list) => {
        expect(mostInAMinute(run(max, list))).toBeLessThanOrEqual(max);
      }),
      { numRuns: 300 },
    );
  });

  it("lets through what waited until it was told, and says so of no later time than needed by more than a second", () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 400 }), asks, fc.integer({ min: 1, max: 40 }), (max, list, amount) => {
        const granted = run(max, list);
        const meter = granted.reduce<Meter>((after, one) => takeFrom(after, one.amount, one.atMs).meter, newMeter(max));
        const nowMs = granted.at(-1)?.atMs ?? 0;
        const atMs = freeAtMs(meter, amount, nowMs);

        expect(freeAtMs(meter, amount, atMs)).toBe(atMs);
        expect(atMs - nowMs <= 1_001 || mostInAMinute([...granted, { atMs: atMs - 1_001, amount }]) > max).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("lets a call through that is larger than itself, alone", () => {
    const { meter } = takeFrom(newMeter(100), 500, 0);

    expect(freeAtMs(newMeter(100), 500, 0)).toBe(0);
    expect(freeAtMs(meter, 1, 59_999)).toBe(61_000);
  });

  it.each([[0, 60], [10, 61_000], [59, 61_000], [60, 122_000], [70, 122_000], [130, 183_000]])("behind %d others of sixty a minute a call has its turn after %d ms", (ahead, atMs) => {
    let meter = newMeter(60);
    const used = ahead === 0 ? 59 : 60;
    for (let calls = 0; calls < used; calls++) meter = takeFrom(meter, 1, calls).meter;

    expect(freeAtMs(meter, 1, 60, ahead)).toBe(atMs);
  });
});

describe("what a provider states", () => {
  const said = (remaining: number | null, resetMs: number | null, max: number | null = 100) => ({ name: "requests" as const, max, remaining, resetMs });
  const taken = (meter: Meter, count: number): { readonly meter: Meter; readonly places: readonly MeterPlace[] } => {
    const places: MeterPlace[] = [];
    let after = meter;
    for (let calls = 0; calls < count; calls++) {
      const one = takeFrom(after, 1, 1_000);
      after = one.meter;
      places.push(one.place);
    }
    return { meter: after, places };
  };
  const free = (meter: Meter, nowMs: number): number => {
    let left = 0;
    for (let next = meter; freeAtMs(next, 1, nowMs) <= nowMs; left++) next = takeFrom(next, 1, nowMs).meter;
    return left;
  };

  it("is what is left for all who use the account", () => {
    const { meter, places } = taken(newMeter(null), 10);
    const place = places[3] as MeterPlace;

    expect(free(learn(meter, said(50, 30_000), place, 2_000), 2_000), "others used forty").toBe(50);
    expect(free(learn(meter, said(97, 30_000), place, 2_000), 2_000), "it had not counted what was under way").toBe(90);
    expect(free(learn(meter, said(50, 30_000, null), place, 2_000), 2_000), "of a limit that is not known").toBe(44);
  });

  it("that is older than what is known changes nothing, and is forgotten at its reset", () => {
    const { meter, places } = taken(newMeter(null), 10);
    const newer = learn(meter, said(5, 30_000), places[9] as MeterPlace, 2_000);
    const known = learn(newer, said(90, 40_000), places[2] as MeterPlace, 2_000);

    expect(free(known, 2_000)).toBe(5);
    expect(free(known, 32_000)).toBe(90);
  });

  it("counts for five minutes at most: one nonsensical reset stops nothing for a day", () => {
    const { meter, places } = taken(newMeter(null), 1);
    const known = learn(meter, said(0, 86_400_000), places[0] as MeterPlace, 2_000);

    expect(freeAtMs(known, 1, 2_000)).toBe(302_000);
  });

  it("of a raised or lowered limit counts at once", () => {
    const { meter, places } = taken(newMeter(null), 10);
    const place = places[9] as MeterPlace;
    const low = learn(meter, said(null, null, 20), place, 2_000);

    expect(free(low, 2_000)).toBe(10);
    expect(free(learn(low, said(null, null, 200), place, 2_000), 2_000)).toBe(190);
    expect(free(learn(newMeter(15), said(null, null, 200), place, 2_000), 2_000), "a declared one stays").toBe(15);
  });

  it("is exact when calls use less than was set aside for them", () => {
    const first = takeFrom(newMeter(null), 1_000, 1_000);
    const second = takeFrom(first.meter, 1_000, 1_000);
    const known = learn(second.meter, said(8_900, 30_000, 10_000), first.place, 2_000);
    const third = takeFrom(known, 1_000, 2_000);
    expect(third.meter.rest?.left).toBe(7_900);

    expect(correct(third.meter, second.place, 100).rest?.left, "the provider may have known that already").toBe(7_900);
    expect(correct(third.meter, third.place, 100).rest?.left).toBe(8_800);
    expect(freeAtMs(third.meter, 7_500, 2_000), "three thousand are set aside").toBeGreaterThan(2_000);
    expect(freeAtMs([first.place, second.place, third.place].reduce((meter, place) => correct(meter, place, 100), third.meter), 8_800, 2_000)).toBe(2_000);
  });
});
