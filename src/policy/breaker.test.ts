import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { admit, type Breaker, breakerDefaults, type CallEnd, closedBreaker, isolate, type Pass, settle } from "./breaker.ts";

const config = breakerDefaults;
const random = seededRandom(1);
const hourMs = 3_600_000;

/** Lets a call through and ends it. */
function call(breaker: Breaker, end: CallEnd, nowMs: number, endMs = nowMs): Breaker {
  const admission = admit(breaker, `c${nowMs}`, nowMs, config);
  if (admission.pass === null) throw new Error(`It is ${breaker.state}.`);
  return settle(admission.breaker, admission.pass, end, endMs, config, random);
}

function calls(breaker: Breaker, ends: readonly CallEnd[], nowMs = 0): Breaker {
  return ends.reduce((now, end) => call(now, end, nowMs), breaker);
}

const many = (count: number, end: CallEnd): readonly CallEnd[] => Array.from({ length: count }, () => end);

function openBreaker(nowMs = 0): Extract<Breaker, { readonly state: "open" }> {
  const breaker = calls(closedBreaker(), many(10, "bad"), nowMs);
  if (breaker.state !== "open") throw new Error(`It is ${breaker.state}.`);
  return breaker;
}

describe("a closed breaker", () => {
  it("opens when more than half of at least ten calls in a minute were bad, beyond chance, and not before", () => {
    const opensAt = (count: number): number => {
      for (let bad = 1; bad <= count; bad++) {
        const last = calls(closedBreaker(), [...many(bad - 1, "bad").slice(0, 9), ...many(count - bad, "good"), ...many(bad - 10, "bad")]);
        if (last.state !== "closed" || call(last, "bad", 0).state === "open") return bad;
      }
      return Number.NaN;
    };

    expect(opensAt(9)).toBeNaN();
    expect([10, 20, 100].map(opensAt)).toEqual([8, 13, 57]);
    expect(calls(closedBreaker(), many(10, "bad")).state).toBe("open");
  });

  it("stays closed for a day of bursts of which three of ten calls fail", () => {
    const chance = seededRandom("three of ten");
    let breaker = closedBreaker();
    let opened = 0;
    for (let minute = 0; minute < 1_440; minute++) {
      for (let count = 0; count < 200; count++) {
        breaker = call(breaker, chance.next() < 0.3 ? "bad" : "good", minute * 60_000 + count);
        if (breaker.state !== "open") continue;
        opened++;
        breaker = closedBreaker();
      }
    }

    // Three times in 288,000 calls; by the share alone it would be about 370 times.
    expect(opened).toBeLessThan(15);
  });

  it("counts no calls that say nothing of the dependency", () => {
    expect(calls(closedBreaker(), many(100, "none"))).toEqual(closedBreaker());
  });

  it("forgets what is older than its window: an hour of idleness leaves nothing", () => {
    const before = calls(closedBreaker(), many(9, "bad"));

    const after = call(before, "bad", hourMs);

    expect(after).toEqual({ state: "closed", generation: 0, slices: [{ index: 600, calls: 1, bad: 1 }] });
    expect(call(before, "bad", config.windowMs + 6_000).state).toBe("closed");
    expect(call(before, "bad", config.windowMs - 6_001).state).toBe("open");
  });

  it("keeps ten numbers, however many calls there are", () => {
    let breaker = closedBreaker();
    for (let nowMs = 0; nowMs < hourMs; nowMs += 1_000) breaker = call(breaker, "good", nowMs);

    expect(breaker.state === "closed" && breaker.slices.length).toBe(10);
  });
});

describe("an open breaker", () => {
  it("lets nothing through until its time is over, which is jittered and grows each time in a row up to its maximum", () => {
    const lengths: number[] = [];
    let breaker: Breaker = openBreaker();
    let nowMs = 0;
    for (let round = 0; round < 12; round++) {
      if (breaker.state !== "open") throw new Error(`It is ${breaker.state}.`);
      expect(admit(breaker, "early", breaker.untilMs - 1, config)).toEqual({ breaker, pass: null, retryAtMs: breaker.untilMs });
      lengths.push(breaker.untilMs - nowMs);
      nowMs = breaker.untilMs;
      breaker = call(breaker, "bad", nowMs);
    }

    for (const [index, length] of lengths.entries()) {
      expect(length).toBeGreaterThanOrEqual(Math.min(24_000 * (index + 1), 240_000));
      expect(length).toBeLessThanOrEqual(Math.min(36_000 * (index + 1), 300_000));
    }
    expect(new Set(lengths.map((length, index) => Math.round(length / (index + 1)))).size).toBeGreaterThan(6);
  });

  it("is not kept open by results of calls that began before it opened", () => {
    const late = admit(closedBreaker(), "late", 0, config);
    const breaker = openBreaker();

    expect(settle(breaker, late.pass as Pass, "bad", 10_000, config, random)).toBe(breaker);
    expect(settle(breaker, late.pass as Pass, "good", 10_000, config, random)).toBe(breaker);
  });
});

describe("a half-open breaker", () => {
  it("lets one of a thousand concurrent callers probe, then three, then all", () => {
    let breaker: Breaker = openBreaker();
    const nowMs = breaker.state === "open" ? breaker.untilMs : 0;
    const passesOf = (round: string): readonly Pass[] => {
      const passes: Pass[] = [];
      for (let caller = 0; caller < 1_000; caller++) {
        const admission = admit(breaker, `${round}${caller}`, nowMs, config);
        breaker = admission.breaker;
        if (admission.pass !== null) passes.push(admission.pass);
      }
      return passes;
    };

    const first = passesOf("a");
    for (const pass of first) breaker = settle(breaker, pass, "good", nowMs, config, random);
    const second = passesOf("b");
    for (const pass of second) breaker = settle(breaker, pass, "good", nowMs, config, random);

    expect([first.length, second.length]).toEqual([1, 3]);
    expect(breaker).toEqual(closedBreaker(3));
    expect(passesOf("c")).toHaveLength(1_000);
  });

  it("opens again for longer when the first probe fails, or half of those after it, whatever the others come to", () => {
    const opened = openBreaker();
    const nowMs = opened.untilMs;
    expect(call(opened, "bad", nowMs)).toMatchObject({ state: "open", opens: 2 });

    let breaker = call(opened, "good", nowMs);
    const passes: Pass[] = [];
    for (const id of ["second", "third", "fourth"]) {
      const admission = admit(breaker, id, nowMs, config);
      breaker = admission.breaker;
      passes.push(admission.pass as Pass);
    }
    for (const pass of passes.slice(0, 2)) breaker = settle(breaker, pass, "bad", nowMs, config, random);

    expect(breaker).toMatchObject({ state: "open", opens: 2 });
    expect(settle(breaker, passes[2] as Pass, "good", nowMs, config, random)).toBe(breaker);
  });

  it("closes though one of three failed behind the first: a provider that fails now and then is not shut out", () => {
    const opened = openBreaker();
    const breaker = (["good", "bad", "good", "good"] as const).reduce<Breaker>((now, end) => call(now, end, opened.untilMs), opened);

    expect(breaker).toEqual(closedBreaker(3));
  });

  it("gives the place of a probe that is out for long to the next caller, and still counts what it comes to", () => {
    const opened = openBreaker();
    const slow = admit(opened, "slow", opened.untilMs, config);
    const overMs = opened.untilMs + config.probeLeaseMs;
    expect(admit(slow.breaker, "other", overMs - 1, config)).toMatchObject({ pass: null, retryAtMs: overMs });
    expect(admit(slow.breaker, "other", opened.untilMs, config)).toEqual({ breaker: slow.breaker, pass: null, retryAtMs: opened.untilMs + config.askAgainMs });

    const next = admit(slow.breaker, "next", overMs, config);

    expect(next.pass).not.toBeNull();
    expect(settle(next.breaker, slow.pass as Pass, "good", overMs + 30_000, config, random)).toMatchObject({ state: "half-open", good: 1, leases: [{ id: "next" }] });
    expect(settle(next.breaker, slow.pass as Pass, "bad", overMs, config, random)).toMatchObject({ state: "open", opens: 2 });
  });

  it("gives the place of a probe that says nothing to the next caller", () => {
    const opened = openBreaker();
    const canceled = admit(opened, "canceled", opened.untilMs, config);

    const breaker = settle(canceled.breaker, canceled.pass as Pass, "none", opened.untilMs, config, random);

    expect(admit(breaker, "next", opened.untilMs, config).pass).not.toBeNull();
  });
});

it("a breaker that a person isolated lets nothing through, ever", () => {
  const breaker = isolate(closedBreaker(), "the provider asked for it");

  expect(admit(breaker, "c", hourMs * 1_000, config)).toEqual({ breaker, pass: null, retryAtMs: null });
  expect(settle(breaker, { id: "c", generation: 0 }, "good", 0, config, random)).toBe(breaker);
});

it("no order of calls, ends and idleness wedges a breaker: within one lease and one open time a caller is let through", () => {
  const moves = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 200_000 }), kind: fc.constantFrom("begin" as const, "good" as const, "bad" as const, "none" as const) }), { maxLength: 200 });
  fc.assert(
    fc.property(moves, fc.integer(), (steps, seed) => {
      const chance = seededRandom(seed);
      let breaker = closedBreaker();
      let nowMs = 0;
      const passes: Pass[] = [];
      for (const [index, { afterMs, kind }] of steps.entries()) {
        nowMs += afterMs;
        if (kind === "begin") {
          const admission = admit(breaker, `c${index}`, nowMs, config);
          breaker = admission.breaker;
          if (admission.pass !== null) passes.push(admission.pass);
        } else {
          const pass = passes.shift();
          if (pass !== undefined) breaker = settle(breaker, pass, kind, nowMs, config, chance);
        }
        expect(breaker.state === "half-open" ? breaker.leases.length : 0).toBeLessThanOrEqual(16);
      }
      expect(admit(breaker, "last", nowMs + config.openMaxMs + config.probeLeaseMs, config).pass).not.toBeNull();
    }),
  );
});
