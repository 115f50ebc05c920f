import type { Json, JsonObject } from "../../base/json.ts";
import type { Wire } from "./simulated-request.ts";
import type { StreamEvent } from "./wire-format.ts";

/** What a provider says in the middle of a stream. */
export type StreamErrorName = "overloaded" | "server-error" | "rate-limit" | "context-overflow" | "spend-limit" | "failed";

interface Words {
  readonly anthropic: readonly [type: string, message: string];
  readonly openai: readonly [type: string, code: string | null, message: string];
}

const sorry = "The server had an error while processing your request. Sorry about that!";
const words: Readonly<Record<StreamErrorName, Words>> = {
  overloaded: { anthropic: ["overloaded_error", "Overloaded"], openai: ["service_unavailable_error", "server_is_overloaded", "Our servers are currently overloaded. Please try again later."] },
  "server-error": { anthropic: ["api_error", "Internal server error"], openai: ["server_error", null, sorry] },
  failed: { anthropic: ["api_error", "Internal server error"], openai: ["server_error", "server_error", "An error occurred while processing your request. You can retry your request."] },
  "rate-limit": {
    anthropic: ["rate_limit_error", "This request would exceed your organization's rate limit of 400,000 input tokens per minute."],
    openai: ["tokens", "rate_limit_exceeded", "Rate limit reached for sim-model in organization org-sim on tokens per min (TPM): Limit 30000, Used 29000, Requested 4000. Please try again in 6s."],
  },
  "context-overflow": {
    anthropic: ["invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"],
    openai: ["invalid_request_error", "context_length_exceeded", "Your input exceeds the context window of this model. Please adjust your input and try again."],
  },
  "spend-limit": {
    anthropic: ["billing_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."],
    openai: ["insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."],
  },
};

/**
 * The event by which a provider breaks off. `failed` is `response.failed` on the Responses API; elsewhere it is a server error.
 * `opened` is the object that the stream began with, which `response.failed` repeats.
 */
export function errorEvent(wire: Wire, error: StreamErrorName, { sequence, opened }: { readonly sequence: number; readonly opened: Json | undefined }): StreamEvent {
  const { anthropic, openai } = words[error];
  if (wire === "anthropic-messages") {
    return named({ type: "error", error: { details: null, type: anthropic[0], message: anthropic[1] }, request_id: "req_sim_stream" });
  }
  const [type, code, message] = openai;
  if (wire === "openai-chat") return { name: null, data: JSON.stringify({ error: { message, type, param: null, code } }) };
  if (error !== "failed") return named({ type: "error", sequence_number: sequence, error: { type, code, message, param: null } });
  const response = { ...(opened as JsonObject | undefined), status: "failed", error: { code, message } };
  return named({ type: "response.failed", sequence_number: sequence, response });
}

function named(data: JsonObject & { readonly type: string }): StreamEvent {
  return { name: data.type, data: JSON.stringify(data) };
}
