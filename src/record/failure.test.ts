import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { LonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { fromFailure, parseFailure, toFailure, type Failure } from "./failure.ts";

/** What comes back after the failure was stored and read, twice. */
function restored(thrown: unknown): Error {
  const store = (failure: Failure): Failure => parseFailure(JSON.parse(JSON.stringify(failure)) as Json);
  return fromFailure(store(toFailure(fromFailure(store(toFailure(thrown))))));
}

describe("a failure", () => {
  it("keeps name, code, message, retry advice, details and causes of an error over any number of restarts", () => {
    const cause = Object.assign(new TypeError("reset"), { code: "ECONNRESET" });
    const error = restored(new LonghaulError("MODEL_THROTTLED", "slow down", { retry: { afterMs: 7 }, details: { status: 429 }, cause }));

    expect(error).toBeInstanceOf(LonghaulError);
    expect(error).toMatchObject({ code: "MODEL_THROTTLED", message: "slow down", retry: { afterMs: 7 }, details: { status: 429 } });
    expect(error.cause).toMatchObject({ name: "TypeError", code: "ECONNRESET", message: "reset" });
  });

  it("keeps the message of an error of another realm", () => {
    const error = runInNewContext("Object.assign(new RangeError('too far'), { code: 'E_FAR', cause: new Error('why') })") as unknown;

    expect(restored(error)).toMatchObject({ name: "RangeError", code: "E_FAR", message: "too far", cause: { message: "why" } });
  });

  it.each([["text", "text"], [{ a: 1 }, '{"a":1}'], [undefined, "undefined"], [null, "null"], [1n, "1"]])("keeps what can be kept of %s, which is no error", (thrown, message) => {
    expect(restored(thrown)).toMatchObject({ name: "Error", message });
  });

  it("ends a chain of causes that is a ring", () => {
    const error = new Error("ring");
    error.cause = error;

    expect(JSON.stringify(toFailure(error)).length).toBeLessThan(2_000);
  });

  it.each([
    ["an error whose message cannot be read", Object.defineProperty(new RangeError("g"), "message", { get() { throw new Error("the getter threw"); } }), { name: "RangeError", message: "a RangeError that cannot be read as text" }],
    ["an error whose cause cannot be read", Object.defineProperty(new Error("kept"), "cause", { get() { throw new Error("the getter threw"); } }), { message: "kept" }],
    ["an error whose code cannot be read", Object.defineProperty(new Error("kept"), "code", { get() { throw new Error("the getter threw"); } }), { message: "kept" }],
    ["an error whose message is an object without a text", Object.assign(new Error("x"), { message: Object.create(null) as unknown }), { message: "an Error that cannot be read as text" }],
    ["an object without a prototype", Object.create(null), { message: "{}" }],
    ["an object whose text throws", { toJSON() { throw new Error("no"); } }, { message: "an object that cannot be read as text" }],
    ["a cycle", (() => { const ring: Record<string, unknown> = {}; ring["ring"] = ring; return ring; })(), { message: "an object that cannot be read as text" }],
    ["a proxy that refuses everything", new Proxy({}, { get() { throw new Error("no"); }, has() { throw new Error("no"); }, getPrototypeOf() { throw new Error("no"); } }), { message: "an object that cannot be read as text" }],
    ["a symbol", Symbol("s"), { message: "Symbol(s)" }],
    ["details that are not JSON", new LonghaulError("TOOL_FAILED", "kept", { details: { big: 1n as unknown as number, good: 1 } }), { code: "TOOL_FAILED", message: "kept", retry: "never", details: { good: 1, big: expect.stringContaining("bigint") } }],
  ])("is made of %s without an error of its own", (_, thrown, failure) => {
    expect(toFailure(thrown)).toMatchObject({ retry: "backoff", ...failure });
    expect(() => restored(thrown)).not.toThrow();
  });

  it("is of bounded size, says how much was cut, and keeps code, advice and causes", () => {
    const long = "x".repeat(4_000_000);
    const details = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`field ${index}`, index === 1 ? [long] : index]));
    let error = new LonghaulError("TOOL_FAILED", long, { retry: { afterMs: 7 }, details });
    for (let depth = 0; depth < 20; depth++) error = new LonghaulError("MODEL_THROTTLED", `${"y".repeat(9_974)}${"😀".repeat(20)}`, { retry: { afterMs: 7 }, details, cause: error });
    error.cause = Object.defineProperties(new Error(long, { cause: error.cause }), { name: { value: long }, code: { value: long } });

    const failure = toFailure(error);

    expect(failure).toMatchObject({ code: "MODEL_THROTTLED", retry: { afterMs: 7 }, details: { "field 0": 0, "field 1": expect.stringMatching(/^\["x+… \(cut: 4000004 characters\)$/) }, cause: { message: expect.stringMatching(/^x{9973}… \(cut: 4000000 characters\)$/) } });
    expect(failure.message).toBe(`${"y".repeat(9_974)}… (cut: 10014 characters)`);
    expect(toFailure(fromFailure(failure))).toEqual(failure);
    expect(failure.cause?.cause).toMatchObject({ code: "MODEL_THROTTLED" });
    expect(JSON.stringify(failure).length).toBeLessThan(300_000);
  });
});
