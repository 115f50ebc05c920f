import { expect, test } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { fromTaggedJson, toTaggedJson } from "./tagged-json.ts";

const throughStorage = (value: unknown): unknown => fromTaggedJson(JSON.parse(JSON.stringify(toTaggedJson(value))));

test("what JSON loses comes back", () => {
  const value = {
    date: new Date(Date.UTC(2026, 0, 1)),
    noDate: new Date(Number.NaN),
    bytes: new Uint8Array([0, 127, 255]),
    url: new URL("https://example.org/a?b=c"),
    big: 12n,
    numbers: [Number.NaN, Number.POSITIVE_INFINITY, -0, 1.5],
    holes: [undefined, null, "x"],
    left: undefined,
    $longhaul: "a field of the user",
    nested: { $longhaul: "date", value: 7 },
  };

  const back = throughStorage(value);

  expect(back).toEqual(value);
  expect(Object.is((back as typeof value).numbers[2], -0)).toBe(true);
});

test("bytes that are a part of a larger buffer are not widened", () => {
  expect(throughStorage(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toEqual(new Uint8Array([2, 3]));
  expect(throughStorage(Buffer.from("abc"))).toEqual(new Uint8Array([97, 98, 99]));
});

test("an error keeps its identity and its causes", () => {
  const error = new LonghaulError("MODEL_THROTTLED", "slow", { retry: { afterMs: 5 }, cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) });

  expect(throughStorage({ error })).toMatchObject({ error: { code: "MODEL_THROTTLED", retry: { afterMs: 5 }, cause: { message: "reset", code: "ECONNRESET" } } });
});

test("what cannot be stored is refused", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;

  expect(() => toTaggedJson({ run: () => 1 })).toThrow("holds a function");
  expect(() => toTaggedJson(cycle)).toThrow("nested deeper than 200 levels");
  expect(() => fromTaggedJson({ $longhaul: "map", value: [] })).toThrow('unknown kind "map"');
});

test("a field named __proto__ stays a field", () => {
  const back = throughStorage(JSON.parse('{"__proto__": {"admin": true}}'));

  expect(Object.keys(back as object)).toEqual(["__proto__"]);
  expect((back as { admin?: boolean }).admin).toBeUndefined();
});
