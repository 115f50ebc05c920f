import type { JsonObject } from "../../src/base/json.ts";
import { broken, type Fixture, passing, refused } from "./fixture.ts";

const error = (type: string | null, code: string | null, message: string, param: string | null = null): JsonObject => ({ error: { message, type, param, code } });
const invalid = "invalid_request_error";

/** OpenAI Responses. */
export const openAiFixtures: readonly Fixture[] = [
  refused("the key is wrong", "MODEL_AUTH", 401, error(invalid, "invalid_api_key", "Incorrect API key provided: sk-proj-****abcd. You can find your API key at https://platform.openai.com/account/api-keys.")),
  refused("no key", "MODEL_AUTH", 401, error(invalid, null, "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.")),
  refused("a scope is missing", "MODEL_AUTH", 401, error(invalid, "missing_scope", "You have insufficient permissions for this operation. Missing scopes: api.responses.write.")),
  refused("the country is not supported", "MODEL_AUTH", 403, error("request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported")),
  refused("the account is deactivated", "MODEL_AUTH", 401, error(invalid, "account_deactivated", "The OpenAI account associated with this API key has been deactivated.")),
  refused("the quota is used up, as a rate limit", "MODEL_BILLING", 429, error("insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.")),
  refused("the quota is used up, without a code", "MODEL_BILLING", 429, error("insufficient_quota", null, "You exceeded your current quota, please check your plan and billing details.")),
  refused("billing is not active, as a rate limit", "MODEL_BILLING", 429, error("billing_not_active", "billing_not_active", "Your account is not active, please check your billing details on our website.")),
  refused("the hard limit, as an invalid request", "MODEL_BILLING", 400, error(invalid, "billing_hard_limit_reached", "Billing hard limit has been reached")),
  refused("the input is too long", "MODEL_CONTEXT_OVERFLOW", 400, error(invalid, "context_length_exceeded", "Your input exceeds the context window of this model. Please adjust your input and try again.", "input")),
  refused("a string is too long", "MODEL_CONTEXT_OVERFLOW", 400, error(invalid, "string_above_max_length", "Invalid 'input': string too long. Expected a string with maximum length 10485760, but got a string with length 11000000 instead.", "input")),
  refused("one request over the limit of a minute", "MODEL_CONTEXT_OVERFLOW", 429, error("tokens", "rate_limit_exceeded", "Request too large for gpt-5.2 in organization org-x on tokens per min (TPM): Limit 30000, Requested 41210. The input or output tokens must be reduced in order to run successfully. Visit https://platform.openai.com/account/rate-limits to learn more.")),
  refused("the prompt is flagged", "MODEL_CONTENT_FILTER", 400, error(invalid, "invalid_prompt", "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting")),
  refused("the safety system refuses", "MODEL_CONTENT_FILTER", 400, error("image_generation_user_error", "moderation_blocked", "Your request was rejected by the safety system.")),
  refused("no such model", "MODEL_INVALID", 404, error(invalid, "model_not_found", "The model `gpt-9` does not exist or you do not have access to it.")),
  refused("an unknown parameter", "MODEL_INVALID", 400, error(invalid, "unknown_parameter", "Unknown parameter: 'thinking'.", "thinking")),
  refused("the organization is not verified", "MODEL_INVALID", 400, error(invalid, "unsupported_value", "Your organization must be verified to stream this model.", "stream")),
  passing("a rate limit, by reset durations", "MODEL_THROTTLED", { afterMs: 360_000 }, 429, { wait: { ms: 360_000, as: "reset" } }),
  passing("a rate limit, by a reset of milliseconds", "MODEL_THROTTLED", { afterMs: 120 }, 429, { wait: { ms: 120, as: "reset" } }),
  passing("a rate limit, by retry-after-ms", "MODEL_THROTTLED", { afterMs: 1_713 }, 429, { wait: { ms: 1_713, as: "milliseconds" } }),
  passing("a rate limit, in words", "MODEL_THROTTLED", { afterMs: 62_500 }, 429, { wait: { ms: 62_500, as: "words" } }),
  passing("overloaded", "MODEL_OVERLOADED", "backoff", 503, { body: error("service_unavailable_error", "server_is_overloaded", "Our servers are currently overloaded. Please try again later.") }),
  passing("slow down", "MODEL_OVERLOADED", { afterMs: 5_000 }, 503, { retryAfter: "5", body: error("slow_down", "slow_down", "Slow down") }),
  passing("a server error", "MODEL_TRANSIENT", "backoff", 500, { body: error("server_error", null, "The server had an error while processing your request. Sorry about that!") }),
  passing("the gateway's page", "MODEL_TRANSIENT", "backoff", 502, { body: "<html><head><title>502 Bad Gateway</title></head></html>" }),
  passing("a conflict", "MODEL_TRANSIENT", "backoff", 409, { body: error(invalid, "conflict", "The resource is in use") }),
  broken("a server error, in a stream", "MODEL_TRANSIENT", { kind: "streamError", error: "server-error", afterEvents: 5 }),
  broken("response.failed", "MODEL_TRANSIENT", { kind: "streamError", error: "failed", afterEvents: 5 }),
  broken("overloaded, in a stream", "MODEL_OVERLOADED", { kind: "streamError", error: "overloaded", afterEvents: 5 }),
  broken("a rate limit, in a stream, in words", "MODEL_THROTTLED", { kind: "streamError", error: "rate-limit", afterEvents: 5 }, { afterMs: 6_000 }),
  broken("a context overflow, as the first event", "MODEL_CONTEXT_OVERFLOW", { kind: "streamError", error: "context-overflow", afterEvents: 0 }, "never"),
  broken("a context overflow, in a stream", "MODEL_CONTEXT_OVERFLOW", { kind: "streamError", error: "context-overflow", afterEvents: 2 }, "never"),
  broken("the quota, in a stream", "MODEL_BILLING", { kind: "streamError", error: "spend-limit", afterEvents: 2 }, "never"),
];
