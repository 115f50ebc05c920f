import type { JsonObject } from "../../src/base/json.ts";
import { broken, type Fixture, passing, refused } from "./fixture.ts";

const error = (type: string, message: string, errorCode?: string): JsonObject => ({
  type: "error",
  error: { ...(errorCode === undefined ? {} : { details: { error_code: errorCode } }), type, message },
  request_id: "req_011CZD3mDb69Z9r51roH2oy4",
});
const page = "<html>\n<head><title>520 Origin Error</title></head>\n<body>\n<center><h1>520 Origin Error</h1></center>\n<hr><center>cloudflare</center>\n</body>\n</html>\n";

/** Anthropic Messages. */
export const anthropicFixtures: readonly Fixture[] = [
  refused("the key is wrong", "MODEL_AUTH", 401, error("authentication_error", "invalid x-api-key")),
  refused("the token expired", "MODEL_AUTH", 401, error("authentication_error", "OAuth token has expired. Please obtain a new token or refresh your existing token.")),
  refused("the key may not do this", "MODEL_AUTH", 403, error("permission_error", "Your API key does not have permission to use the specified resource.")),
  refused("the organization is disabled", "MODEL_AUTH", 400, error("invalid_request_error", "This organization has been disabled.")),
  refused("no credit, as an invalid request", "MODEL_BILLING", 400, error("invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.")),
  refused("usage limits reached, as an invalid request", "MODEL_BILLING", 400, error("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-02-01 at 00:00 UTC.")),
  refused("workspace usage limits reached", "MODEL_BILLING", 400, error("invalid_request_error", "You have reached your specified workspace API usage limits. You will regain access on 2026-02-01 at 00:00 UTC.")),
  refused("a spend limit, as a rate limit", "MODEL_BILLING", 429, error("rate_limit_error", "You have reached your organization's spend limit.", "enforced_spend_limit_reached")),
  refused("the contract's spend limit, as a rate limit", "MODEL_BILLING", 429, error("rate_limit_error", "Your contract's spend limit has been reached.", "contract_spend_limit_reached")),
  refused("the linked organization's spend limit", "MODEL_BILLING", 402, error("billing_error", "The linked organization has reached its limit.", "linked_organization_spend_limit_reached")),
  refused("a billing error", "MODEL_BILLING", 403, error("billing_error", "There is an issue with your billing.")),
  refused("the prompt is too long", "MODEL_CONTEXT_OVERFLOW", 400, error("invalid_request_error", "prompt is too long: 212343 tokens > 200000 maximum")),
  refused("prompt and output together are too long", "MODEL_CONTEXT_OVERFLOW", 400, error("invalid_request_error", "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again")),
  refused("the request is too large", "MODEL_CONTEXT_OVERFLOW", 413, error("request_too_large", "Request exceeds the maximum size")),
  refused("too large, by the gateway's page", "MODEL_CONTEXT_OVERFLOW", 413, "<html><head><title>413 Payload Too Large</title></head></html>"),
  refused("the output is filtered", "MODEL_CONTENT_FILTER", 400, error("invalid_request_error", "Output blocked by content filtering policy")),
  refused("no such model", "MODEL_INVALID", 404, error("not_found_error", "model: claude-sonnet-9")),
  refused("a tool's name that does not match", "MODEL_INVALID", 400, error("invalid_request_error", "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")),
  refused("a tool call without its result", "MODEL_INVALID", 400, error("invalid_request_error", "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_01. Each `tool_use` block must have a corresponding `tool_result` block in the next message.")),
  passing("a rate limit, by seconds", "MODEL_THROTTLED", { afterMs: 7_000 }, 429, { wait: { ms: 7_000, as: "seconds" } }),
  passing("a rate limit, by a date", "MODEL_THROTTLED", { afterMs: 61_000 }, 429, { wait: { ms: 61_000, as: "date" } }),
  passing("a rate limit, by reset instants", "MODEL_THROTTLED", { afterMs: 33_000 }, 429, { wait: { ms: 33_000, as: "reset" } }),
  passing("use that grows too fast", "MODEL_THROTTLED", { afterMs: 12_000 }, 429, { retryAfter: "12", body: error("rate_limit_error", "This request would exceed the rate at which your organization's usage may grow.", "ramp_limit_exceeded") }),
  passing("overloaded", "MODEL_OVERLOADED", "backoff", 529, { body: error("overloaded_error", "Overloaded") }),
  passing("an internal error", "MODEL_TRANSIENT", "backoff", 500, { body: error("api_error", "Internal server error") }),
  passing("an internal error whose body is cut", "MODEL_TRANSIENT", "backoff", 500, { body: '{"type":"error","error":{"type":"api_er' }),
  passing("a timeout", "MODEL_TRANSIENT", "backoff", 504, { body: error("timeout_error", "The request timed out.") }),
  passing("the gateway's page", "MODEL_TRANSIENT", "backoff", 520, { body: page }),
  broken("overloaded, in a stream", "MODEL_OVERLOADED", { kind: "streamError", error: "overloaded", afterEvents: 4 }),
  broken("overloaded, as the first event", "MODEL_OVERLOADED", { kind: "streamError", error: "overloaded", afterEvents: 0 }),
  broken("an internal error, in a stream", "MODEL_TRANSIENT", { kind: "streamError", error: "server-error", afterEvents: 4 }),
  broken("a rate limit, in a stream", "MODEL_THROTTLED", { kind: "streamError", error: "rate-limit", afterEvents: 4 }),
  broken("no credit, in a stream", "MODEL_BILLING", { kind: "streamError", error: "spend-limit", afterEvents: 4 }, "never"),
  broken("a context overflow, in a stream", "MODEL_CONTEXT_OVERFLOW", { kind: "streamError", error: "context-overflow", afterEvents: 4 }, "never"),
];
