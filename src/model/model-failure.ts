import type { ErrorCode } from "../base/error-code.ts";
import type { RetryAdvice } from "../base/error.ts";

export type ModelErrorCode = Extract<ErrorCode, `MODEL_${string}`>;

/** What is known about a failed call, whoever failed it: an HTTP answer, an event in a stream, or the network. */
export interface ModelFailure {
  /** HTTP status; null when there was no answer. 200 is a failure after the stream began. */
  readonly status: number | null;
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The provider's own words for it: error types and codes, in lower case. */
  readonly kinds: readonly string[];
  readonly message: string;
  readonly body: string;
  /** "ECONNRESET", "UND_ERR_SOCKET". */
  readonly networkCode: string | null;
}

export interface Classification {
  readonly code: ModelErrorCode;
  readonly retry: RetryAdvice;
}
