import { expect, test } from "vitest";
import { parseLimitResetMs, parseRetryAfterMs, parseWaitMs } from "./retry-after.ts";

const nowMs = Date.UTC(2026, 0, 15, 10, 0, 0);

test.each([
  ["2", 2000],
  ["0", 0],
  ["0.5", 500],
  ["6m0s", 360_000],
  ["1h30m", 5_400_000],
  ["20ms", 20],
  ["7.66s", 7660],
  ["Thu, 15 Jan 2026 10:00:30 GMT", 30_000],
  ["2026-01-15T10:01:00Z", 60_000],
  ["2026-01-15T09:00:00Z", 0],
  [String(nowMs / 1000 + 12), 12_000],
  [String(nowMs + 12_000), 12_000],
  ["-5", 0],
  ["", null],
  ["soon", null],
  ["99999999", null],
])("the wait %s is %s ms", (text, expected) => {
  expect(parseWaitMs(text, nowMs)).toBe(expected);
});

test.each([
  ["milliseconds before seconds", { "retry-after-ms": "1500", "retry-after": "9" }, "", 1500],
  ["retry-after before reset headers", { "retry-after": "9", "x-ratelimit-reset-requests": "1s" }, "Please try again in 2s", 9000],
  [
    "the limit that is exhausted",
    { "x-ratelimit-remaining-requests": "99", "x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s" },
    "",
    360_000,
  ],
  [
    "the longest of those exhausted",
    { "anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-01-15T10:00:05Z", "anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2026-01-15T10:00:40Z" },
    "",
    40_000,
  ],
  [
    "the soonest when none is exhausted",
    { "x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "23h0m0s", "x-ratelimit-remaining-tokens": "500", "x-ratelimit-reset-tokens": "4s" },
    "",
    4000,
  ],
  ["the provider's words", {}, "Rate limit reached for gpt-5.2. Please try again in 1m2.5s. Visit the docs.", 62_500],
  ["Google's retry info", {}, '{"retryDelay": "34s"}', 34_000],
  ["nothing stated", { "content-type": "application/json" }, "Slow down", null],
  ["nonsense", { "retry-after": "later" }, "", null],
] as const)("%s", (_, headers: Readonly<Record<string, string>>, text, expected) => {
  expect(parseRetryAfterMs(headers, nowMs) ?? parseLimitResetMs(headers, text, nowMs)).toBe(expected);
});
