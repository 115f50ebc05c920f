import { describe, expect, it } from "vitest";
import { cron, every } from "../agent/trigger-definition.ts";
import { computeCatchUpDelays, computeNextAfter, computeNextAfterJumpBack, computeNextAt, computePeriodMs } from "./next-firing.ts";
import type { TimedTrigger } from "./registration.ts";
import { hour, minute, second } from "./trigger-world.testsuite.ts";

const at = (text: string): number => Date.parse(text);

function listInstants(trigger: TimedTrigger, from: string, count: number): readonly string[] {
  const instants: string[] = [];
  for (let nextAtMs = computeNextAt(trigger, at(from)); instants.length < count; nextAtMs = computeNextAt(trigger, nextAtMs)) instants.push(new Date(nextAtMs).toISOString());
  return instants;
}

describe("computeNextAt", () => {
  it("reads a cron pattern in UTC unless a time zone is given", () => {
    expect(listInstants(cron("0 9 * * *"), "2026-07-01T00:00:00Z", 1)).toEqual(["2026-07-01T09:00:00.000Z"]);
    expect(listInstants(cron("0 9 * * *", { timezone: "Europe/Berlin" }), "2026-07-01T00:00:00Z", 1)).toEqual(["2026-07-01T07:00:00.000Z"]);
  });

  it("takes six fields with seconds first", () => {
    expect(listInstants(cron("*/20 * * * * *"), "2026-07-01T00:00:00Z", 3)).toEqual(["2026-07-01T00:00:20.000Z", "2026-07-01T00:00:40.000Z", "2026-07-01T00:01:00.000Z"]);
  });

  it("fires a daily time that summer time leaves out at the first instant after it, once", () => {
    expect(listInstants(cron("30 2 * * *", { timezone: "Europe/Berlin" }), "2026-03-28T12:00:00Z", 2)).toEqual(["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]);
  });

  it("fires a daily time that winter time repeats once", () => {
    expect(listInstants(cron("30 2 * * *", { timezone: "Europe/Berlin" }), "2026-10-24T12:00:00Z", 2)).toEqual(["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
  });

  it("fires every half hour of the hour that winter time repeats, twice", () => {
    expect(listInstants(cron("*/30 * * * *", { timezone: "Europe/Berlin" }), "2026-10-25T00:00:00Z", 4)).toEqual([
      "2026-10-25T00:30:00.000Z", "2026-10-25T01:00:00.000Z", "2026-10-25T01:30:00.000Z", "2026-10-25T02:00:00.000Z",
    ]);
  });
});

describe("computeNextAfter", () => {
  it("keeps an interval's grid when a firing was late", () => {
    expect(computeNextAfter(every("15m"), 0, 2 * minute)).toBe(15 * minute);
  });

  it("leaves out the instants that passed meanwhile", () => {
    expect(computeNextAfter(every("15m"), 0, 47 * minute)).toBe(60 * minute);
    expect(computeNextAfter(every("15m"), 0, 60 * minute)).toBe(75 * minute);
    expect(computeNextAfter(cron("0 * * * *"), at("2026-07-01T01:00:00Z"), at("2026-07-01T05:20:00Z"))).toBe(at("2026-07-01T06:00:00Z"));
  });
});

describe("computeNextAfterJumpBack", () => {
  const jumped = (trigger: TimedTrigger, before: string, nextAt: string, lastFiredAt: string | null): string => {
    const jump = { nowMs: at(before) - hour, jumpMs: hour, nextAtMs: at(nextAt), lastFiredAtMs: lastFiredAt === null ? null : at(lastFiredAt) };
    return new Date(computeNextAfterJumpBack(trigger, jump)).toISOString();
  };

  it("lets an interval end when it would have ended", () => {
    expect(jumped(every("15m"), "2026-07-01T11:05:00Z", "2026-07-01T11:15:00Z", "2026-07-01T11:00:00Z")).toBe("2026-07-01T10:15:00.000Z");
  });

  it("does not fire a daily time again when it comes a second time", () => {
    expect(jumped(cron("0 9 * * *"), "2026-07-01T09:30:00Z", "2026-07-02T09:00:00Z", "2026-07-01T09:00:00Z")).toBe("2026-07-02T09:00:00.000Z");
  });

  it("lets a pattern of every minute go on the next minute", () => {
    expect(jumped(cron("* * * * *"), "2026-07-01T11:05:30Z", "2026-07-01T11:06:00Z", "2026-07-01T11:05:00Z")).toBe("2026-07-01T10:06:00.000Z");
  });

  it("lets an hourly pattern go on after an hour of real time", () => {
    expect(jumped(cron("0 * * * *"), "2026-07-01T11:05:00Z", "2026-07-01T12:00:00Z", "2026-07-01T11:00:00Z")).toBe("2026-07-01T11:00:00.000Z");
  });

  it("keeps a daily time that has not come yet", () => {
    expect(jumped(cron("0 9 * * *"), "2026-07-01T08:30:00Z", "2026-07-01T09:00:00Z", "2026-06-30T09:00:00Z")).toBe("2026-07-01T09:00:00.000Z");
  });
});

describe("computeCatchUpDelays", () => {
  it("lets five go at once and the others five seconds apart", () => {
    expect(computeCatchUpDelays(Array.from({ length: 12 }, () => hour))).toEqual([0, 0, 0, 0, 0, 5, 5, 5, 5, 5, 10, 10].map((seconds) => seconds * second));
  });

  it("stays within each trigger's own period, shortest first", () => {
    const periods = Array.from({ length: 1000 }, (_, index) => (index % 2 === 0 ? 5 * minute : hour));
    const delays = computeCatchUpDelays(periods);
    for (const [index, delayMs] of delays.entries()) expect(delayMs).toBeLessThan(periods[index] ?? 0);
    expect(Math.max(...delays.filter((_, index) => index % 2 === 0))).toBeGreaterThan(2 * minute);
  });

  it("queues behind those that wait already", () => {
    expect(computeCatchUpDelays([hour], 5)).toEqual([5 * second]);
  });
});

describe("computePeriodMs", () => {
  it("is the gap between the next two instants", () => {
    expect(computePeriodMs(cron("0 9,11 * * *"), at("2026-07-01T08:00:00Z"))).toBe(2 * hour);
    expect(computePeriodMs(every("90s"), 0)).toBe(90 * second);
  });
});
