import type { ErrorCode } from "./error-code.ts";
import type { JsonObject } from "./json-type.ts";
import { kindOfValue } from "./describe-value.ts";

/** What the caller may do about it: never try again, try again with backoff, or try again after a stated time. */
export type RetryAdvice = "never" | "backoff" | { readonly afterMs: number };

export interface LonghaulErrorOptions {
  readonly retry?: RetryAdvice;
  readonly cause?: unknown;
  readonly details?: JsonObject;
}

const brand = Symbol.for("longhaul.error");

/** The one error of Longhaul. `code` is from the table in docs/reference/errors.md; the message says what happened, with which value, and what to do. */
export class LonghaulError extends Error {
  override readonly name: string = "LonghaulError";
  readonly [brand] = true;
  readonly code: ErrorCode;
  readonly retry: RetryAdvice;
  readonly details: JsonObject;

  constructor(code: ErrorCode, message: string, options: LonghaulErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retry = options.retry ?? "never";
    this.details = options.details ?? {};
  }
}

/** True for an error of any copy of this package: recognised by brand, not by class. */
export function isLonghaulError(value: unknown): value is LonghaulError {
  return isError(value) && brand in value;
}

/** Also for an error that was made in another realm, as by a test runner that gives each file its own. Never throws, as `in` and `instanceof` of a proxy may. */
export function isError(value: unknown): value is Error {
  return Error.isError(value);
}

/** The text of anything that was thrown. Never throws itself. */
export function messageOf(thrown: unknown): string {
  try {
    const { message }: { readonly message: unknown } = isError(thrown) ? thrown : { message: typeof thrown === "object" ? JSON.stringify(thrown) : thrown };
    return String(message);
  } catch {
    // A getter or toJSON that throws, a cycle, a message that is no text: what it is remains to be said.
    return `${kindOfValue(thrown)} that cannot be read as text`;
  }
}
