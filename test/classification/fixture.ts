import type { JsonObject } from "../../src/base/json.ts";
import type { RetryAdvice } from "../../src/base/error.ts";
import type { Fault } from "../../src/lab/provider/index.ts";
import type { ModelErrorCode } from "../../src/model/model-failure.ts";

/** One real failure of a provider, and what it is. */
export interface Fixture {
  readonly what: string;
  readonly fault: Fault;
  readonly code: ModelErrorCode;
  readonly retry: RetryAdvice;
}

type Status = Extract<Fault, { kind: "status" }>;

/** An answer with this status and body, as it was seen. It is not tried again. */
export function refused(what: string, code: ModelErrorCode, status: number, body: JsonObject | string): Fixture {
  return { what, code, retry: "never", fault: { kind: "status", status, body } };
}

/** One that is tried again: by our own backoff, or when it says. */
export function passing(what: string, code: ModelErrorCode, retry: RetryAdvice, status: number, more: Omit<Status, "kind" | "status">): Fixture {
  return { what, code, retry, fault: { kind: "status", status, ...more } };
}

/** A failure that is not a status. */
export function broken(what: string, code: ModelErrorCode, fault: Fault, retry: RetryAdvice = "backoff"): Fixture {
  return { what, code, retry, fault };
}
