import { anthropicFamily } from "./anthropic-family.ts";
import { anthropicMessages } from "./anthropic-messages.ts";
import { openAiChat } from "./openai-chat.ts";
import { openAiFamily } from "./openai-family.ts";
import { createOpenAiResponses } from "./openai-responses.ts";
import { ProviderError } from "./provider-error.ts";
import type { ProviderFamily, WireFormat } from "./wire-format.ts";

/** What a path asks for. */
export type Route =
  | { readonly kind: "model-call" | "count-tokens"; readonly family: ProviderFamily; readonly format: WireFormat }
  | { readonly kind: "models"; readonly family: ProviderFamily; readonly modelId: string | null };

/** Makes the table of paths; `/v1` before a path may be there or not, as base URLs differ between clients. */
export function createRouter(): (request: Request) => Route {
  const openAiResponses = createOpenAiResponses();
  const calls: Readonly<Record<string, Route>> = {
    "/messages": { kind: "model-call", family: anthropicFamily, format: anthropicMessages },
    "/messages/count_tokens": { kind: "count-tokens", family: anthropicFamily, format: anthropicMessages },
    "/responses": { kind: "model-call", family: openAiFamily, format: openAiResponses },
    "/chat/completions": { kind: "model-call", family: openAiFamily, format: openAiChat },
  };

  return (request) => {
    const path = new URL(request.url).pathname;
    const name = path.replace(/^\/v1(?=\/)/, "").replace(/\/$/, "");
    const models = /^\/models(?:\/(.+))?$/.exec(name);
    const route: Route | undefined = models
      ? { kind: "models", family: familyOf(request), modelId: models[1] === undefined ? null : decodeURIComponent(models[1]) }
      : calls[name];
    if (!route) throw unknownPath(request, path);
    if (request.method !== (route.kind === "models" ? "GET" : "POST")) throw wrongMethod(request, route.family, path);
    return route;
  };
}

/** The provider that a client takes us for: by the path, or where both have that path, by the header that only one of them knows. */
export function familyOf(request: Request): ProviderFamily {
  const { pathname } = new URL(request.url);
  if (/\/messages(?:\/|$)/.test(pathname)) return anthropicFamily;
  if (/\/(?:responses|chat\/completions)(?:\/|$)/.test(pathname)) return openAiFamily;
  return request.headers.get("anthropic-version") ? anthropicFamily : openAiFamily;
}

function unknownPath(request: Request, path: string): ProviderError {
  if (familyOf(request) === anthropicFamily) return new ProviderError(404, "Not Found", { type: "not_found_error" });
  return new ProviderError(404, `Invalid URL (${request.method} ${path})`, { type: "invalid_request_error" });
}

function wrongMethod(request: Request, family: ProviderFamily, path: string): ProviderError {
  if (family === anthropicFamily) return new ProviderError(405, "Method Not Allowed", { type: "invalid_request_error" });
  const message = `Not allowed to ${request.method} on ${path}. (HINT: Perhaps you meant to use a different HTTP method?)`;
  return new ProviderError(405, message, { type: "invalid_request_error", code: "method_not_supported" });
}
