import { expect, test } from "vitest";
import { classify } from "./classify.ts";
import { toModelFailure } from "./model-error.ts";

const nowMs = Date.UTC(2026, 0, 15);

/** Bodies as the providers send them. */
const anthropic = (type: string, message: string, errorCode?: string) => ({ type: "error", error: { type, message, ...(errorCode && { details: { error_code: errorCode } }) }, request_id: "req_1" });
const openai = (type: string | null, code: string | null, message: string) => ({ error: { message, type, param: null, code } });
const google = (status: string, message: string, details: unknown[] = []) => ({ error: { code: 429, message, status, details } });

test.each([
  [401, anthropic("authentication_error", "invalid x-api-key"), "MODEL_AUTH"],
  [403, anthropic("permission_error", "Your API key does not have permission"), "MODEL_AUTH"],
  [401, openai("invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-abc"), "MODEL_AUTH"],
  [400, anthropic("invalid_request_error", "This organization has been disabled."), "MODEL_AUTH"],
  [403, openai("permission_denied", null, "Your team has used all available credits or reached its monthly spending limit."), "MODEL_BILLING"],
  [400, google("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), "MODEL_AUTH"],
  [429, anthropic("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute"), "MODEL_THROTTLED"],
  [429, anthropic("rate_limit_error", "Usage grows too fast", "ramp_limit_exceeded"), "MODEL_THROTTLED"],
  [429, anthropic("rate_limit_error", "Limit", "enforced_spend_limit_reached"), "MODEL_BILLING"],
  [429, anthropic("rate_limit_error", "Limit", "contract_spend_limit_reached"), "MODEL_BILLING"],
  [402, anthropic("billing_error", "Limit", "linked_organization_spend_limit_reached"), "MODEL_BILLING"],
  [400, anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), "MODEL_BILLING"],
  [400, anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-02-01."), "MODEL_BILLING"],
  [429, openai("insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."), "MODEL_BILLING"],
  [429, openai("requests", "rate_limit_exceeded", "Rate limit reached for gpt-5.2 on requests per min (RPM)"), "MODEL_THROTTLED"],
  [429, google("RESOURCE_EXHAUSTED", "You exceeded your current quota", [{ "@type": "RetryInfo", retryDelay: "34s" }]), "MODEL_THROTTLED"],
  [429, openai("tokens", "rate_limit_exceeded", "Request too large for gpt-5.2 on tokens per min (TPM): Limit 30000, Requested 40000. The input or output tokens must be reduced in order to run successfully."), "MODEL_CONTEXT_OVERFLOW"],
  [400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), "MODEL_CONTEXT_OVERFLOW"],
  [400, anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"), "MODEL_CONTEXT_OVERFLOW"],
  [400, openai("invalid_request_error", "context_length_exceeded", "This model's maximum context length is 128000 tokens."), "MODEL_CONTEXT_OVERFLOW"],
  [400, openai("exceed_context_size_error", null, "the request exceeds the available context size"), "MODEL_CONTEXT_OVERFLOW"],
  [413, anthropic("request_too_large", "Request exceeds the maximum size"), "MODEL_CONTEXT_OVERFLOW"],
  [400, openai("invalid_request_error", "content_policy_violation", "Your request was rejected by our safety system"), "MODEL_CONTENT_FILTER"],
  [400, anthropic("invalid_request_error", "Output blocked by content filtering policy"), "MODEL_CONTENT_FILTER"],
  [529, anthropic("overloaded_error", "Overloaded"), "MODEL_OVERLOADED"],
  [503, openai("server_error", null, "The engine is currently overloaded, please try again later"), "MODEL_OVERLOADED"],
  [500, anthropic("api_error", "Internal server error"), "MODEL_TRANSIENT"],
  [502, "<html>Bad Gateway</html>", "MODEL_TRANSIENT"],
  [504, anthropic("timeout_error", "Timed out"), "MODEL_TRANSIENT"],
  [408, "", "MODEL_TRANSIENT"],
  [409, "", "MODEL_TRANSIENT"],
  [400, anthropic("invalid_request_error", "tools.0.name: String should match pattern"), "MODEL_INVALID"],
  [404, openai("invalid_request_error", "model_not_found", "The model `gpt-9` does not exist"), "MODEL_INVALID"],
  [422, "", "MODEL_INVALID"],
  [200, "", "MODEL_TRANSIENT"],
] as const)("status %i with %j is %s", (statusCode, body, code) => {
  const responseBody = typeof body === "string" ? body : JSON.stringify(body);
  const message = typeof body === "string" ? "failed" : body.error.message;

  const classification = classify(toModelFailure(Object.assign(new Error(message), { statusCode, responseBody, responseHeaders: { "Retry-After": "3" } })), nowMs);

  expect(classification.code).toBe(code);
  const waits = ["MODEL_TRANSIENT", "MODEL_THROTTLED", "MODEL_OVERLOADED"].includes(code);
  expect(classification.retry).toEqual(waits ? { afterMs: 3000 } : "never");
});

test.each([
  ["an event in a stream", { type: "overloaded_error", message: "Overloaded" }, "MODEL_OVERLOADED"],
  ["a normalised event", Object.assign(new Error("x"), { type: "rate_limit_error", data: { error: { type: "rate_limit_error", message: "x" } } }), "MODEL_THROTTLED"],
  ["an OpenAI event without a status", { message: "x", code: "insufficient_quota", type: "error" }, "MODEL_BILLING"],
  ["a failed response", { type: "response.failed", response: { error: { code: "server_error", message: "x" } } }, "MODEL_TRANSIENT"],
  ["a refused connection", Object.assign(new Error("Cannot connect to API"), { isRetryable: true, cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) }), "MODEL_TRANSIENT"],
  ["a connection that failed for no stated reason", Object.assign(new Error("Cannot connect to API: x"), { isRetryable: true }), "MODEL_TRANSIENT"],
  ["a bare fetch failure", new TypeError("fetch failed"), "MODEL_TRANSIENT"],
  ["a missing key", Object.assign(new Error("API key is missing"), { name: "AI_LoadAPIKeyError" }), "MODEL_AUTH"],
  ["a chunk that is not JSON", Object.assign(new Error("JSON parsing failed"), { name: "AI_JSONParseError" }), "MODEL_TRANSIENT"],
  ["a bug", new TypeError("x is not a function"), "MODEL_UNKNOWN"],
  ["a text", "boom", "MODEL_UNKNOWN"],
  ["nothing", undefined, "MODEL_UNKNOWN"],
] as const)("%s is classified without a status", (_, thrown, code) => {
  expect(classify(toModelFailure(thrown), nowMs)).toEqual({ code, retry: code === "MODEL_AUTH" || code === "MODEL_BILLING" ? "never" : "backoff" });
});

test("reset headers, which every answer carries, count for a throttled call only", () => {
  const responseHeaders = { "x-ratelimit-remaining-requests": "99", "x-ratelimit-reset-requests": "60s" };
  const retryOf = (statusCode: number) => classify(toModelFailure(Object.assign(new Error("x"), { statusCode, responseHeaders })), nowMs).retry;

  expect(retryOf(429)).toEqual({ afterMs: 60_000 });
  for (const status of [200, 500, 503, 529]) expect(retryOf(status)).toBe("backoff");
});
