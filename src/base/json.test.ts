import { describe, expect, it } from "vitest";
import { runInNewContext } from "node:vm";
import { toJson } from "./json.ts";

class Point {
  readonly x = 1;
}
class Closed {
  readonly #x = 1;
  sum(): number {
    return this.#x;
  }
}

describe("toJson", () => {
  it("takes plain data, dates, objects with toJSON and instances with fields, of any realm", () => {
    const value = { list: [1, "two", null, true], day: new Date(0), url: new URL("http://h/"), point: new Point(), none: {}, bare: Object.create(null) as object, away: runInNewContext("({ empty: {} })") as object, lost: undefined };

    expect(toJson(value, "It")).toEqual({ list: [1, "two", null, true], day: "1970-01-01T00:00:00.000Z", url: "http://h/", point: { x: 1 }, none: {}, bare: {}, away: { empty: {} } });
    expect(toJson(undefined, "It")).toBeNull();
  });

  it.each([
    ["a function", () => null], ["a symbol", Symbol("s")], ["a bigint", 1n], ["NaN", Number.NaN], ["Infinity", Number.POSITIVE_INFINITY],
    ["a Map", new Map([[1, 2]])], ["a Set", new Set([1])], ["an Error", new Error("lost")], ["a promise that was not awaited", Promise.resolve(1)],
    ["a RegExp", /x/], ["an ArrayBuffer", new ArrayBuffer(8)], ["a Uint8Array", new Uint8Array(2)], ["a Buffer", Buffer.from("ab")], ["a class that shows nothing", new Closed()],
  ])("refuses %s, and says where it stands", (_, item) => {
    expect(() => toJson({ deep: { field: item } }, "It")).toThrow(/^It cannot be stored as JSON \(field is /);
  });

  it.each([[1n, "it is a bigint"], [new Map(), "it is a Map"], [new Uint8Array(1), "it is a Uint8Array"], [() => 1, "it is a function"], [Number.NaN, "it is NaN"]])("says so when the value as a whole is %s", (value, told) => {
    expect(() => toJson(value, "The output")).toThrow(`The output cannot be stored as JSON (${told}). Return plain data.`);
  });

  it("refuses a ring", () => {
    const ring: { self?: unknown } = {};
    ring.self = ring;
    expect(() => toJson(ring, "It")).toThrow(/^It cannot be stored: /);
  });
});

it("takes 500 levels of nesting, brackets in texts not counted, and no more", () => {
  for (const text of ["[".repeat(500) + "]".repeat(500), JSON.stringify(["[{".repeat(900), '\\"['])]) expect(toJson(JSON.parse(text), "The input")).toEqual(JSON.parse(text));

  expect(() => toJson(JSON.parse("[".repeat(501) + "]".repeat(501)), "The input")).toThrow("The input cannot be stored as JSON (nested deeper than 500 levels). Return plain data.");
});
