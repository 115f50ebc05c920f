import type { JsonObject } from "../base/json.ts";
import type { AssistantMessage, Message } from "../record/message.ts";
import type { StatedLimit } from "../record/stated-limit.ts";
import type { Usage } from "../record/usage.ts";

/** The port of one completion: a transcript in, one assistant message out. No retries, no tools executed, no loop. */
export interface Model {
  /** "anthropic/claude-sonnet-5-5". */
  readonly id: string;
  readonly provider: string;
  /** Whose limits its calls count against: the provider, its address and a hash of the key, never the key itself. Changes when the key does. */
  readonly account: string;
  /** True when nobody real answers: records and pages say so. */
  readonly simulated: boolean;
  /** @throws {MODEL_*} coded errors with retry advice; see docs/reference/errors.md. */
  complete(request: ModelRequest): Promise<Completion>;
  /** An upper bound of the cost of this request, in millionths of a dollar; 0 when the price is unknown or nothing is charged. */
  estimateMicroUsd(request: Pick<ModelRequest, "messages" | "outputTokensMax">): number;
  /** What this usage costs; null when the price is unknown. */
  costMicroUsd(usage: Usage): number | null;
}

/** Told of an answer while it comes. */
export interface AnswerListener {
  /** The first content is there. Not told of an answer that comes as a whole. */
  readonly onContent: () => void;
  /** What the answer states of the provider's limits, as soon as it begins, also when it is an error. */
  readonly onLimits: (limits: readonly StatedLimit[]) => void;
}

export interface ModelRequest extends Partial<AnswerListener> {
  /** Begins with the system message, which also names the tools. */
  readonly messages: readonly Message[];
  readonly outputTokensMax: number;
  /** "auto" (default), "required": some tool must be called. */
  readonly toolChoice?: "auto" | "required";
  readonly temperature?: number;
  /** Passed on as it is, per provider. */
  readonly providerOptions?: JsonObject;
  /** Sent as a header: the same at every attempt of the same step. */
  readonly idempotencyKey: string;
  readonly timeouts: ModelTimeouts;
  readonly signal: AbortSignal;
  /** Live text, not durable. */
  readonly onDelta?: (text: string) => void;
}

export interface ModelTimeouts {
  /** To the first chunk with content. Keep-alives, metadata and empty deltas do not count. Default 60 s. */
  readonly firstChunkMs: number;
  /** Between chunks with content. Default 30 s. */
  readonly betweenChunksMs: number;
  /** The whole call. Default 10 min. */
  readonly totalMs: number;
}

export const defaultModelTimeouts: ModelTimeouts = { firstChunkMs: 60_000, betweenChunksMs: 30_000, totalMs: 600_000 };

/** Why the model stopped. "content-filter" covers refusals; "other" what no provider explains. */
export type FinishReason = "stop" | "tool-calls" | "length" | "content-filter" | "error" | "other";

export interface Completion {
  readonly message: AssistantMessage;
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  /** Null when the price is not known. */
  readonly costMicroUsd: number | null;
  /** The model that answered, by the provider's word. */
  readonly responseModel: string | null;
  readonly responseId: string | null;
}
