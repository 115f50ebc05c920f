import type { ErrorCode } from "./error-code.ts";
import type { JsonObject } from "./json-type.ts";

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
  return typeof value === "object" && value !== null && brand in value;
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
