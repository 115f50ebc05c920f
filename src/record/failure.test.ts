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
});
