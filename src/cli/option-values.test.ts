import { expect, it } from "vitest";
import { durationUpTo, durationValue, eventTypesValue, idValue, instantValue, wholeNumber } from "./option-values.ts";

const nowMs = Date.UTC(2026, 0, 15, 12);

it("reads durations, bare numbers as milliseconds", () => {
  expect([durationValue("20s"), durationValue("2000"), durationValue("1.5h")]).toEqual([20_000, 2000, 5_400_000]);
  expect(() => durationValue("soon")).toThrow("not a duration");
});

it("refuses a duration that is too long, or none", () => {
  expect(durationUpTo(86_400_000)("24h")).toBe(86_400_000);
  for (const [text, says] of [["25h", "longer than"], ["0", "not a duration"]] as const) expect(() => durationUpTo(86_400_000)(text)).toThrow(says);
});

it("reads instants, also as a time before now", () => {
  expect(instantValue(nowMs)("1h")).toBe(nowMs - 3_600_000);
  expect(instantValue(nowMs)("2026-01-15T10:00:00Z")).toBe(Date.UTC(2026, 0, 15, 10));
  expect(() => instantValue(nowMs)("yesterday")).toThrow("an instant");
});

it("refuses an id that is empty, as an unset variable of a shell is", () => {
  expect(idValue("t_1")).toBe("t_1");
  for (const text of ["", " "]) expect(() => idValue(text)).toThrow("It is empty. See what there is with: longhaul ps --all");
});

it("refuses numbers outside of their range", () => {
  expect(wholeNumber(1, 10)("10")).toBe(10);
  for (const text of ["0", "11", "1.5", "x", ""]) expect(() => wholeNumber(1, 10)(text)).toThrow("from 1 to 10");
});

it("names event types that do not exist, and those that do", () => {
  expect(eventTypesValue("tool_call, error")).toEqual(["tool_call", "error"]);
  expect(() => eventTypesValue("tool_call,tools")).toThrow(/no event type tools.*model_call/);
});
