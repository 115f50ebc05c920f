import type { JsonObject } from "../../base/json.ts";
import type { NetworkFailure } from "./network-failure.ts";
import type { StreamErrorName } from "./stream-error.ts";
import type { FailureReason, StatedWait } from "./wire-format.ts";

/** What goes wrong with one request. */
export type Fault =
  /** An error answer, with this provider's own body unless one is given. */
  | {
      readonly kind: "status";
      readonly status: number;
      /** The header as it is sent: seconds, an HTTP date, nonsense. */
      readonly retryAfter?: string;
      /** When to come back, in one of the forms that providers use. */
      readonly wait?: StatedWait;
      /** What the body says, of a status that has several causes: `spend-limit` with 429 is an account out of money. */
      readonly reason?: FailureReason;
      readonly headers?: Readonly<Record<string, string>>;
      /** A text is sent as it stands: half of a JSON, a gateway's page. One that begins with `<` is HTML. */
      readonly body?: JsonObject | string;
    }
  /** No answer at all: the connection cannot be made, or breaks before a status line. */
  | { readonly kind: "network"; readonly failure: NetworkFailure }
  /** Silence until the client goes away; in the middle of a stream when `afterEvents` is given. */
  | { readonly kind: "hang"; readonly afterEvents?: number }
  /** The connection breaks after so many events; half-way through the body when the reply is not streamed. */
  | { readonly kind: "cut"; readonly afterEvents: number }
  /** The stream ends in good order, but so many events too early; a body that is not streamed lacks its second half. */
  | { readonly kind: "unfinished"; readonly missingEvents: number }
  /** The provider's own error event in the middle of a stream that began with status 200; a 500 when the reply is not streamed. */
  | { readonly kind: "streamError"; readonly error: StreamErrorName; readonly afterEvents: number }
  /** An event in the middle that is not JSON. */
  | { readonly kind: "badEvent"; readonly afterEvents: number }
  /** Status 200, and a body that is no answer: a page for people, half of a JSON, nothing. */
  | { readonly kind: "body"; readonly text: string }
  /** Status 200 and no content. */
  | { readonly kind: "empty" }
  /** The whole answer comes so much later. */
  | { readonly kind: "latency"; readonly ms: number }
  /** The stream opens at once, but for so long nothing comes that carries content: keep-alives (default; of a whole answer white space), metadata, or deltas without text. */
  | { readonly kind: "keepAlive"; readonly ms: number; readonly with?: "keep-alives" | "metadata" | "empty-deltas" }
  /** So long a wait before every event. */
  | { readonly kind: "slowChunks"; readonly ms: number }
  /** A whole answer that is not what it should be. */
  | { readonly kind: "altered"; readonly how: Alteration };

/**
 * What is wrong with an answer that comes whole: another model than was asked; no usage, or one of zeros; a refusal; an error that is told as text;
 * a call of a tool that there is not, with half of its arguments, or two calls with one id.
 */
export type Alteration = "other-model" | "no-usage" | "zero-usage" | "refusal" | "error-text" | "unknown-tool" | "half-arguments" | "repeated-ids";

const wholeKinds: readonly Fault["kind"][] = ["latency", "keepAlive", "slowChunks", "altered"];

/** True when the client cannot have got the reply of the script. */
export function breaksReply(fault: Fault): boolean {
  return !wholeKinds.includes(fault.kind);
}
