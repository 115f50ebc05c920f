import { errorCodes, type ErrorCode } from "../base/error-code.ts";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";

/** What a team refused a request with, under its own code; CLIENT_REFUSED for an answer that names none. `details.status` is that of HTTP, `retry` what its Retry-After asks for, in seconds. */
export function fromErrorBody(answer: Json, status: number, retryAfter: string | null = null): LonghaulError {
  const error = isJsonObject(answer) && isJsonObject(answer["error"]) ? answer["error"] : {};
  const { code, message } = error;
  const known = typeof code === "string" && Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : "CLIENT_REFUSED";
  const seconds = Number(retryAfter ?? Number.NaN);
  const advice = Number.isFinite(seconds) ? { retry: { afterMs: seconds * 1_000 } } : {};
  return new LonghaulError(known, typeof message === "string" ? message : `The team answered with HTTP ${status}.`, { ...advice, details: { status } });
}
