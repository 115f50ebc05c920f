import { expect, it } from "vitest";
import { toFaultFunction } from "./fault-option.ts";

const strike = (faults: readonly string[], { latencyMs = 0, seed = "1" } = {}) => {
  const choose = toFaultFunction({ faults, latencyMs, seed });
  return Array.from({ length: 200 }, (_, index) => choose({} as never, index + 1));
};

it("strikes every request when no share is given", () => {
  expect(new Set(strike(["529"]).map((fault) => JSON.stringify(fault)))).toEqual(new Set(['{"kind":"status","status":529}']));
});

it("strikes its share of the requests, the same ones for the same seed; the others come late", () => {
  const struck = strike(["hang:0.25"], { latencyMs: 100 });

  expect(struck.filter((fault) => fault?.kind === "hang").length).toBeGreaterThan(25);
  expect(struck.filter((fault) => fault?.kind === "hang").length).toBeLessThan(75);
  expect(struck.every((fault) => fault?.kind === "hang" || (fault?.kind === "latency" && fault.ms === 100))).toBe(true);
  expect(strike(["hang:0.25"], { latencyMs: 100 })).toEqual(struck);
});

it("refuses what it does not know, naming what it does", () => {
  for (const fault of ["200", "fire", "529:2", "529:0", "529:x"]) expect(() => strike([fault])).toThrow(/Use a status from 400 to 599, or hang, cut, closed, /);
});
