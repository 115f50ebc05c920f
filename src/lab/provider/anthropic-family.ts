import type { JsonObject } from "../../base/json.ts";
import { invalidRequest, ProviderError } from "./provider-error.ts";
import type { FailureReason, ProviderFamily, RateLimit } from "./wire-format.ts";

/** What all Anthropic APIs share. */
export const anthropicFamily: ProviderFamily = {
  name: "anthropic",
  keepAliveText: 'event: ping\ndata: {"type":"ping"}\n\n',
  assertCredentials,
  defaultError,
  renderError: renderAnthropicError,
  renderHeaders: (requestId, limit) => ({ "request-id": requestId, ...(limit !== null && renderRateLimit(limit)) }),
};

const versions: ReadonlySet<string> = new Set(["2023-01-01", "2023-06-01", "2026-10-21"]);

/** @throws {ProviderError} 400 when the API version is missing or unknown. */
export function assertAnthropicVersion(headers: Headers): void {
  const version = headers.get("anthropic-version");
  if (!version) throw invalidRequest("anthropic-version: header is required");
  if (!versions.has(version)) throw invalidRequest(`anthropic-version: ${JSON.stringify(version)} is not a valid version`);
}

/** The older API takes `x-api-key`, the one of 2026-10-21 a bearer token. Both are accepted with either version. */
function assertCredentials(headers: Headers): void {
  const bearer = /^bearer\s+(\S+)/i.exec(headers.get("authorization") ?? "")?.[1];
  if (!headers.get("x-api-key") && !bearer) throw new ProviderError(401, "x-api-key header is required", { type: "authentication_error" });
}

function renderAnthropicError(error: ProviderError, requestId: string): JsonObject {
  const { type, details } = error.fields;
  return { type: "error", error: { type, message: error.message, ...(details && { details }) }, request_id: requestId };
}

const creditMessage = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.";

const errorByStatus: Readonly<Record<number, readonly [type: string, message: string]>> = {
  400: ["invalid_request_error", "Invalid request."],
  401: ["authentication_error", "invalid x-api-key"],
  402: ["billing_error", creditMessage],
  403: ["permission_error", "Your API key does not have permission to use the specified resource."],
  404: ["not_found_error", "Not Found"],
  408: ["timeout_error", "The request timed out."],
  413: ["request_too_large", "Request exceeds the maximum size"],
  429: ["rate_limit_error", "This request would exceed the rate limit for your organization. Please reduce the prompt length or the maximum tokens requested, or try again later."],
  504: ["timeout_error", "The request timed out."],
  529: ["overloaded_error", "Overloaded"],
};

/** By reason, what the body says; a status of its own where the provider has one for it. */
const errorByReason: Readonly<Record<Exclude<FailureReason, "rate-limit">, (status: number) => readonly [type: string, message: string, errorCode?: string]>> = {
  "spend-limit": (status) => {
    if (status === 429) return ["rate_limit_error", "You have reached your specified API usage limits.", "enforced_spend_limit_reached"];
    if (status === 402) return ["billing_error", "Your organization has reached its spend limit.", "linked_organization_spend_limit_reached"];
    return ["invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-02-01 at 00:00 UTC."];
  },
  credit: (status) => [status === 402 ? "billing_error" : "invalid_request_error", creditMessage],
  "inactive-account": (status) => [status === 403 ? "permission_error" : "invalid_request_error", "This organization has been disabled."],
  "context-overflow": (status) => (status === 413 ? ["request_too_large", "Request exceeds the maximum size"] : ["invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"]),
  "content-policy": () => ["invalid_request_error", "Output blocked by content filtering policy"],
};

function defaultError(status: number, reason: FailureReason | undefined): ProviderError {
  if (reason !== undefined && reason !== "rate-limit") {
    const [type, message, errorCode] = errorByReason[reason](status);
    return new ProviderError(status, message, { type, ...(errorCode !== undefined && { details: { error_code: errorCode } }) });
  }
  const fallback: readonly [string, string] = status < 500 ? ["invalid_request_error", "Invalid request."] : ["api_error", "Internal server error"];
  const [type, message] = errorByStatus[status] ?? fallback;
  return new ProviderError(status, message, { type });
}

function renderRateLimit(limit: RateLimit): Readonly<Record<string, string>> {
  const reset = new Date(limit.resetAtMs).toISOString().replace(/\.\d+Z$/, "Z");
  return {
    "anthropic-ratelimit-requests-limit": String(limit.requestsMax),
    "anthropic-ratelimit-requests-remaining": String(limit.requestsLeft),
    "anthropic-ratelimit-requests-reset": reset,
    "anthropic-ratelimit-tokens-limit": String(limit.tokensMax),
    "anthropic-ratelimit-tokens-remaining": String(limit.tokensLeft),
    "anthropic-ratelimit-tokens-reset": reset,
  };
}
