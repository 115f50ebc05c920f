import type { JsonObject } from "../../base/json.ts";
import type { Wire } from "./simulated-request.ts";

interface WireRequest {
  readonly path: string;
  readonly body: JsonObject;
}

/** The smallest valid request of each wire format. */
export const wireRequests: Readonly<Record<Wire, WireRequest>> = {
  "anthropic-messages": { path: "/v1/messages", body: { model: "sim-model", max_tokens: 500, messages: [{ role: "user", content: "Hello" }] } },
  "openai-responses": { path: "/v1/responses", body: { model: "sim-model", input: "Hello" } },
  "openai-chat": { path: "/v1/chat/completions", body: { model: "sim-model", messages: [{ role: "user", content: "Hello" }] } },
};

export const wires = Object.keys(wireRequests) as readonly Wire[];

/** A request as `fetch` takes it, with what all three providers want to see in the headers. */
export function requestOf(wire: Wire, overrides: JsonObject = {}, init: { readonly signal?: AbortSignal; readonly url?: string; readonly headers?: Record<string, string> } = {}): Request {
  const { path, body } = wireRequests[wire];
  return new Request(`${init.url ?? "http://simulated.example"}${path}`, {
    method: "POST",
    headers: { authorization: "Bearer k", "anthropic-version": wire === "anthropic-messages" ? "2026-10-21" : "", "content-type": "application/json", ...init.headers },
    body: JSON.stringify({ ...body, ...overrides }),
    ...(init.signal && { signal: init.signal }),
  });
}
