import { expect, it } from "vitest";
import type { ErrorCode } from "../base/error-code.ts";
import { LonghaulError } from "../base/error.ts";
import type { JsonObject } from "../base/json.ts";
import { useOfFailed } from "./through-limiter.ts";

const errors: readonly (readonly [kind: string, code: ErrorCode, details: JsonObject])[] = [
  ["throttled", "MODEL_THROTTLED", { status: 429 }],
  ["failed", "MODEL_OVERLOADED", { status: 529 }],
  ["failed", "MODEL_TRANSIENT", { status: 500 }],
  ["failed", "MODEL_TRANSIENT", { networkCode: "ECONNREFUSED" }],
  ["failed", "MODEL_INVALID", { status: 400 }],
  ["unknown", "MODEL_TIMEOUT", {}],
  ["unknown", "TASK_CANCELED", {}],
  ["unknown", "ENGINE_CLOSED", {}],
  ["unmade", "BREAKER_OPEN", {}],
  ["unmade", "BUDGET_EXCEEDED", {}],
];

it.each(errors)("a call is taken to be %s that ended with %s %j", (kind, code, details) => {
  expect(useOfFailed(new LonghaulError(code, "of the test", { details })).kind).toBe(kind);
});

it("nobody knows what a call used that ended with an error that is not ours", () => {
  expect(useOfFailed(new Error("aborted")).kind).toBe("unknown");
});
