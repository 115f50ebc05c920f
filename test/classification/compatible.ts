import type { JsonObject } from "../../src/base/json.ts";
import { broken, type Fixture, passing, refused } from "./fixture.ts";

const error = (type: string | null, code: string | number | null, message: string, more: JsonObject = {}): JsonObject => ({ error: { message, type, param: null, code, ...more } });

/** What speaks Chat Completions: OpenAI itself, gateways, and servers of one's own. */
export const compatibleFixtures: readonly Fixture[] = [
  refused("OpenAI: the messages are too long", "MODEL_CONTEXT_OVERFLOW", 400, error("invalid_request_error", "context_length_exceeded", "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 tokens. Please reduce the length of the messages.")),
  refused("vLLM: the prompt is too long", "MODEL_CONTEXT_OVERFLOW", 400, { object: "error", message: "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens in the messages, Please reduce the length of the messages.", type: "BadRequestError", param: null, code: 400 }),
  refused("vLLM: the same, nested", "MODEL_CONTEXT_OVERFLOW", 400, error("BadRequestError", 400, "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens in the messages, Please reduce the length of the messages.")),
  refused("llama.cpp: the context is full", "MODEL_CONTEXT_OVERFLOW", 400, { error: { code: 400, message: "the request exceeds the available context size, try increasing it", type: "exceed_context_size_error", n_prompt_tokens: 9000, n_ctx: 8192 } }),
  refused("LM Studio: the context is full", "MODEL_CONTEXT_OVERFLOW", 400, { error: "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length, or provide a shorter input" }),
  refused("Gemini: too many tokens", "MODEL_CONTEXT_OVERFLOW", 400, error("INVALID_ARGUMENT", 400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).")),
  refused("Groq: the request is too large", "MODEL_CONTEXT_OVERFLOW", 413, error("tokens", "rate_limit_exceeded", "Request too large for model `llama-4` in organization `org_x` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size and try again.")),
  refused("Mistral: the prompt is too long", "MODEL_CONTEXT_OVERFLOW", 400, { object: "error", message: "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", type: "invalid_request_prompt", param: null, code: "3051" }),
  refused("OpenRouter: no credits", "MODEL_BILLING", 402, error(null, 402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits")),
  refused("OpenRouter: credits do not suffice", "MODEL_BILLING", 402, error(null, 402, "This request requires more credits, or fewer max_tokens. You requested up to 4096 tokens, but can only afford 300.")),
  refused("OpenRouter: the key's limit", "MODEL_BILLING", 403, error(null, 403, "Key limit exceeded (monthly limit). Manage it using https://openrouter.ai/settings/keys")),
  refused("DeepSeek: insufficient balance", "MODEL_BILLING", 402, error("unknown_error", "invalid_request_error", "Insufficient Balance")),
  refused("xAI: all credits are used", "MODEL_BILLING", 429, { code: "Some resource has been exhausted", error: "Your team 1234 has either used all available credits or reached its monthly spending limit. To continue making API requests, please purchase more credits or raise your spending limit." }),
  refused("xAI: a new team without credits", "MODEL_BILLING", 403, { code: "The caller does not have permission to execute the specified operation", error: "Your newly created team doesn't have any credits yet. You can purchase credits on https://console.x.ai/team/1234." }),
  refused("OpenAI: the hard limit", "MODEL_BILLING", 400, error("invalid_request_error", "billing_hard_limit_reached", "Billing hard limit has been reached")),
  refused("Azure: the content filter", "MODEL_CONTENT_FILTER", 400, { error: { message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.", type: null, param: "prompt", code: "content_filter", status: 400, innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: { hate: { filtered: true, severity: "high" } } } } }),
  refused("OpenRouter: moderation", "MODEL_CONTENT_FILTER", 403, error(null, 403, "anthropic/claude-3-opus requires moderation on OpenAI's API. Your input was flagged for \"violence\". No credits were charged.", { metadata: { reasons: ["violence"], flagged_input: "…" } })),
  refused("Gemini: the key is wrong", "MODEL_AUTH", 400, error("INVALID_ARGUMENT", 400, "API key not valid. Please pass a valid API key.")),
  refused("OpenRouter: no user", "MODEL_AUTH", 401, error(null, 401, "User not found.")),
  refused("a proxy: the token is not known", "MODEL_AUTH", 401, { detail: "Authentication Error, Invalid proxy server token passed" }),
  refused("Ollama: no such model", "MODEL_INVALID", 404, error("api_error", null, "model \"llama9\" not found, try pulling it first")),
  refused("vLLM: no such model", "MODEL_INVALID", 404, { object: "error", message: "The model `llama-9` does not exist.", type: "NotFoundError", param: null, code: 404 }),
  refused("FastAPI: a field that does not fit", "MODEL_INVALID", 422, { detail: [{ type: "missing", loc: ["body", "messages"], msg: "Field required" }] }),
  passing("Gemini: the quota of a minute, which says when", "MODEL_THROTTLED", { afterMs: 34_000 }, 429, { headers: bare(), body: { error: { code: 429, message: "You exceeded your current quota, please check your plan and billing details.", status: "RESOURCE_EXHAUSTED", details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34s" }] } } }),
  passing("Groq: a rate limit, in words", "MODEL_THROTTLED", { afterMs: 7_660 }, 429, { retryAfter: "7.66", body: error("tokens", "rate_limit_exceeded", "Rate limit reached for model `llama-4` on tokens per minute (TPM): Limit 6000, Used 5000, Requested 2000. Please try again in 7.66s.") }),
  passing("OpenRouter: the free models of a day", "MODEL_THROTTLED", { afterMs: 90_000 }, 429, { retryAfter: "90", body: error(null, 429, "Rate limit exceeded: free-models-per-day") }),
  passing("Ollama: the server is busy", "MODEL_OVERLOADED", "backoff", 503, { body: error("api_error", null, "server busy, please try again. maximum pending requests exceeded") }),
  passing("OpenRouter: the provider is gone", "MODEL_TRANSIENT", "backoff", 502, { body: error(null, 502, "Provider returned error") }),
  passing("vLLM: an internal error", "MODEL_TRANSIENT", "backoff", 500, { body: { object: "error", message: "Internal Server Error", type: "InternalServerError", param: null, code: 500 } }),
  passing("Cloudflare: a page", "MODEL_TRANSIENT", "backoff", 524, { body: "<!DOCTYPE html><html><head><title>524: A timeout occurred</title></head></html>" }),
  broken("a server error, in a stream", "MODEL_TRANSIENT", { kind: "streamError", error: "server-error", afterEvents: 2 }),
  broken("overloaded, in a stream", "MODEL_OVERLOADED", { kind: "streamError", error: "overloaded", afterEvents: 2 }),
  broken("a rate limit, in a stream", "MODEL_THROTTLED", { kind: "streamError", error: "rate-limit", afterEvents: 2 }, { afterMs: 6_000 }),
  broken("a context overflow, in a stream", "MODEL_CONTEXT_OVERFLOW", { kind: "streamError", error: "context-overflow", afterEvents: 2 }, "never"),
  broken("the quota, as the first event", "MODEL_BILLING", { kind: "streamError", error: "spend-limit", afterEvents: 0 }, "never"),
];

/** A server that says nothing of its limits beside what the body says. */
function bare(): Readonly<Record<string, string>> {
  return { "x-ratelimit-reset-requests": "", "x-ratelimit-reset-tokens": "" };
}
