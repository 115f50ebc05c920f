import { expect, it } from "vitest";
import { parseStatedLimits } from "./stated-limits.ts";

const nowMs = Date.parse("2026-01-01T00:00:00Z");

it("limits are read from OpenAI's headers", () => {
  const headers = {
    "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000", "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s",
  };

  expect(parseStatedLimits(headers, nowMs)).toEqual([
    { name: "requests", max: 60, remaining: 59, resetMs: 1_000 },
    { name: "tokens", max: 150_000, remaining: 149_984, resetMs: 360_000 },
  ]);
});

it("limits are read from Anthropic's headers, whose whole seconds may be almost one more", () => {
  const headers = {
    "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:07Z",
    "anthropic-ratelimit-input-tokens-limit": "30000", "anthropic-ratelimit-input-tokens-remaining": "29000", "anthropic-ratelimit-input-tokens-reset": "2026-01-01T00:00:02.500Z",
    "anthropic-ratelimit-output-tokens-limit": "8000", "anthropic-ratelimit-output-tokens-remaining": "8000", "anthropic-ratelimit-output-tokens-reset": "2026-01-01T00:00:00Z",
  };

  expect(parseStatedLimits(headers, nowMs)).toEqual([
    { name: "requests", max: 50, remaining: 0, resetMs: 7_999 },
    { name: "input-tokens", max: 30_000, remaining: 29_000, resetMs: 2_500 },
    { name: "output-tokens", max: 8_000, remaining: 8_000, resetMs: 999 },
  ]);
});

const absurd: readonly (readonly [string, Readonly<Record<string, string>>, unknown])[] = [
  ["none", {}, []],
  ["a limit of nothing", { "x-ratelimit-limit-requests": "0" }, []],
  ["a negative limit", { "x-ratelimit-limit-requests": "-5", "x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "1s" }, []],
  ["words", { "x-ratelimit-limit-requests": "many", "x-ratelimit-remaining-requests": "few", "x-ratelimit-reset-requests": "soon" }, []],
  ["astronomy", { "x-ratelimit-limit-requests": "99999999999999999999", "x-ratelimit-remaining-requests": "NaN" }, []],
  ["a rest without a reset", { "x-ratelimit-remaining-requests": "3" }, []],
  ["more left than there is", { "x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "11", "x-ratelimit-reset-requests": "1s" }, [{ name: "requests", max: 10, remaining: null, resetMs: null }]],
  ["a reset in a month", { "x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30d" }, [{ name: "requests", max: 10, remaining: 0, resetMs: null }]],
  ["a negative reset", { "x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "-5" }, [{ name: "requests", max: 10, remaining: 0, resetMs: null }]],
  ["a reset that has passed", { "anthropic-ratelimit-tokens-limit": "10", "anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2020-01-01T00:00:00.000Z" }, [{ name: "tokens", max: 10, remaining: 0, resetMs: 0 }]],
];

it.each(absurd)("of headers that state %s only what makes sense is taken", (_, headers, expected) => {
  expect(parseStatedLimits(headers, nowMs)).toEqual(expected);
});
