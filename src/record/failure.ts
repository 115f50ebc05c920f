import { cutText, textLengthMax } from "../base/cut-text.ts";
import { isError, isLonghaulError, LonghaulError, messageOf, type RetryAdvice } from "../base/error.ts";
import { errorCodes, type ErrorCode } from "../base/error-code.ts";
import { isJsonObject, type Json, type JsonObject, toJsonText } from "../base/json.ts";

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
export const causeDepthMax = 8;
/** Names and codes are cut here, in characters. */
const nameLengthMax = 200;
/** Details that are kept; each is cut like a message. */
export const detailsMax = 20;

/** Anything that was thrown, as data of bounded size. Never throws, whatever was thrown: what of it cannot be read is left out. */
export function toFailure(thrown: unknown, depth = 0): Failure {
  const failure = { name: "Error", code: null, message: cutText(messageOf(thrown)), retry: "backoff", details: {}, cause: null } as const;
  if (!isError(thrown)) return failure;
  try {
    const { name, cause } = thrown;
    const read = {
      ...failure,
      name: typeof name === "string" ? cutText(name, nameLengthMax) : "Error",
      cause: cause === undefined || depth >= causeDepthMax ? null : toFailure(cause, depth + 1),
    };
    if (isLonghaulError(thrown)) return { ...read, code: cutText(thrown.code, nameLengthMax), retry: parseRetry(thrown.retry), details: toDetails(thrown.details) };
    return "code" in thrown && typeof thrown.code === "string" ? { ...read, code: cutText(thrown.code, nameLengthMax) } : read;
  } catch {
    // A getter of it throws. Its message has to do.
    return failure;
  }
}

function toDetails(details: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(details).slice(0, detailsMax).map(([name, value]) => [cutText(name, nameLengthMax), toDetail(value)]));
}

function toDetail(value: unknown): Json {
  if (typeof value === "string") return cutText(value);
  try {
    const text = toJsonText(value, "This detail");
    return text.length <= textLengthMax ? (JSON.parse(text) as Json) : cutText(text);
  } catch (error) {
    return messageOf(error);
  }
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
  return {
    name: typeof stored["name"] === "string" ? stored["name"] : "Error",
    code: typeof stored["code"] === "string" ? stored["code"] : null,
    message: typeof stored["message"] === "string" ? stored["message"] : "",
    retry: parseRetry(stored["retry"]),
    details: isJsonObject(stored["details"]) ? stored["details"] : {},
    cause: isJsonObject(stored["cause"]) ? parseFailure(stored["cause"]) : null,
  };
}

function parseRetry(retry: unknown): RetryAdvice {
  return retry === "never" || (isJsonObject(retry) && typeof retry["afterMs"] === "number") ? (retry as RetryAdvice) : "backoff";
}

function isErrorCode(code: string | null): code is ErrorCode {
  return code !== null && Object.hasOwn(errorCodes, code);
}
