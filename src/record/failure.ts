import { isLonghaulError, LonghaulError, type RetryAdvice } from "../base/error.ts";
import { errorCodes, type ErrorCode } from "../base/error-code.ts";
import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";

/** An error as data. Identity survives storage: name, code, message, retry advice, details and causes. */
export interface Failure {
  readonly name: string;
  readonly code: string | null;
  readonly message: string;
  readonly retry: RetryAdvice;
  readonly details: JsonObject;
  readonly cause: Failure | null;
}

/** Chains of causes are cut here. */
const causeDepthMax = 8;
/** Messages are cut here, in characters. */
const messageLengthMax = 10_000;

/** Anything that was thrown, as data. */
export function toFailure(thrown: unknown, depth = 0): Failure {
  if (!isError(thrown)) {
    return { name: "Error", code: null, message: cut(describe(thrown)), retry: "backoff", details: {}, cause: null };
  }
  const cause = thrown.cause === undefined || depth >= causeDepthMax ? null : toFailure(thrown.cause, depth + 1);
  if (isLonghaulError(thrown)) {
    return { name: thrown.name, code: thrown.code, message: cut(thrown.message), retry: thrown.retry, details: thrown.details, cause };
  }
  const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : null;
  return { name: thrown.name, code, message: cut(thrown.message), retry: "backoff", details: {}, cause };
}

/** The error that a failure stands for. A code of our table comes back as a LonghaulError, any other as an Error with its name and code. */
export function fromFailure(failure: Failure): Error {
  const cause = failure.cause === null ? undefined : fromFailure(failure.cause);
  if (isErrorCode(failure.code)) {
    const error = new LonghaulError(failure.code, failure.message, { retry: failure.retry, details: failure.details, cause });
    if (failure.name !== error.name) Object.defineProperty(error, "name", { value: failure.name, configurable: true });
    return error;
  }
  const error = new Error(failure.message, cause === undefined ? undefined : { cause });
  Object.defineProperty(error, "name", { value: failure.name, configurable: true });
  if (failure.code !== null) Object.defineProperty(error, "code", { value: failure.code, enumerable: true });
  return error;
}

/** Reads a failure that was stored as JSON. */
export function parseFailure(value: Json): Failure {
  const stored = isJsonObject(value) ? value : {};
  const retry = stored["retry"];
  return {
    name: typeof stored["name"] === "string" ? stored["name"] : "Error",
    code: typeof stored["code"] === "string" ? stored["code"] : null,
    message: typeof stored["message"] === "string" ? stored["message"] : "",
    retry: retry === "never" || (isJsonObject(retry) && typeof retry["afterMs"] === "number") ? (retry as RetryAdvice) : "backoff",
    details: isJsonObject(stored["details"]) ? stored["details"] : {},
    cause: isJsonObject(stored["cause"]) ? parseFailure(stored["cause"]) : null,
  };
}

/** Also one that was made in another realm, as by a test runner that gives each file its own. */
function isError(thrown: unknown): thrown is Error {
  return Error.isError(thrown);
}

function isErrorCode(code: string | null): code is ErrorCode {
  return code !== null && Object.hasOwn(errorCodes, code);
}

function describe(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    // A cyclic value has no JSON; its plain text is all that can be kept.
    return String(thrown);
  }
}

function cut(text: string): string {
  return text.length <= messageLengthMax ? text : `${text.slice(0, messageLengthMax)}… (${text.length} characters)`;
}
