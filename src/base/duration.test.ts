import { expect, it } from "vitest";
import { parseDuration } from "./duration.ts";

it.each([["250ms", 250], ["1.5s", 1_500], ["5m", 300_000], ["2h", 7_200_000], ["7d", 604_800_000], [42, 42], [0.6, 1], [" 1s ", 1_000]])("reads %j as %d ms", (text, ms) => {
  expect(parseDuration(text, "timeout")).toBe(ms);
});

it.each([[0], [-1], ["0s"], ["0.4ms"], [0.4], ["3651d"], [Number.NaN], [Number.POSITIVE_INFINITY], ["1 hour"], [""], [null], [{}]])("refuses %j, naming the option", (value) => {
  expect(() => parseDuration(value, "timeout")).toThrow(/^timeout is /);
});
