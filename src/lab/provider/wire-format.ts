import type { JsonObject } from "../../base/json.ts";
import type { ProviderError } from "./provider-error.ts";
import type { SettledReply } from "./settled-reply.ts";
import type { SimulatedRequest, Wire } from "./simulated-request.ts";

/** One provider API: reads its requests into our words and writes our replies in its own. */
export interface WireFormat {
  readonly wire: Wire;
  readonly family: ProviderFamily;
  /** @throws {ProviderError} for what the real provider refuses. */
  parseRequest(body: JsonObject, headers: Headers): SimulatedRequest;
  renderReply(request: SimulatedRequest, reply: SettledReply): JsonObject;
  /** The same reply as server-sent events, first to last. */
  renderEvents(request: SimulatedRequest, reply: SettledReply): readonly StreamEvent[];
  /** Keeps what later requests may refer to by id; absent where an API keeps nothing. */
  remember?(request: SimulatedRequest, reply: SettledReply): void;
}

export interface StreamEvent {
  /** Null where the provider's events have no name. */
  readonly name: string | null;
  readonly data: string;
}

/** An event whose name also stands in its data. */
export interface TypedEvent extends JsonObject {
  readonly type: string;
}

/** What all APIs of one provider share: credentials, errors, headers, keep-alives. */
export interface ProviderFamily {
  readonly name: "anthropic" | "openai";
  /** @throws {ProviderError} 401 when there is no key. */
  assertCredentials(headers: Headers): void;
  renderError(error: ProviderError, requestId: string): JsonObject;
  /** The error body that this provider sends with a status when nothing else is said. */
  defaultError(status: number, reason: FailureReason | undefined): ProviderError;
  /** Without a limit it says nothing of one. */
  renderHeaders(requestId: string, limit: RateLimit | null): Readonly<Record<string, string>>;
  /** What keeps an idle stream open and carries no content. */
  readonly keepAliveText: string;
}

/** Why a request was turned away with a status that has several causes. */
export type FailureReason = "rate-limit" | "spend-limit" | "credit" | "inactive-account" | "context-overflow" | "content-policy";

/** When a provider wants to be called again, and how it says so. */
export interface StatedWait {
  readonly ms: number;
  /**
   * `retry-after` in seconds, as an HTTP date, or as an instant since the epoch; `retry-after-ms`; the reset headers of the provider (Anthropic: an
   * instant, OpenAI: "6m0s"); or only words in the message.
   */
  readonly as: "seconds" | "date" | "epoch" | "milliseconds" | "reset" | "words";
}

/** How much of a minute's allowance is left. */
export interface RateLimit {
  readonly requestsMax: number;
  readonly requestsLeft: number;
  readonly tokensMax: number;
  readonly tokensLeft: number;
  readonly nowMs: number;
  readonly resetAtMs: number;
}
