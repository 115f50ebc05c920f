import type { JsonObject } from "../../base/json.ts";

export interface ProviderErrorFields {
  /** Anthropic: `rate_limit_error`; OpenAI: `invalid_request_error`. */
  readonly type: string;
  /** OpenAI: `insufficient_quota`. */
  readonly code?: string;
  /** OpenAI: the parameter at fault. */
  readonly param?: string;
  /** Anthropic: `{ error_code }` and the like. */
  readonly details?: JsonObject;
}

/** A request that the simulated provider turns down with an HTTP status and its own error body. */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly status: number;
  readonly fields: ProviderErrorFields;

  constructor(status: number, message: string, fields: ProviderErrorFields) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

/** The refusal of a malformed request, which both providers call `invalid_request_error`. */
export function invalidRequest(message: string, fields: Omit<ProviderErrorFields, "type"> = {}): ProviderError {
  return new ProviderError(400, message, { type: "invalid_request_error", ...fields });
}
