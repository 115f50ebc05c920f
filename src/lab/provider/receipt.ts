import type { Fault } from "./fault.ts";
import type { Wire } from "./simulated-request.ts";

/** What became of one request. Plain JSON data, fit for a line of a JSONL file. */
export interface Receipt {
  /** Order of arrival, from 1. Receipts are written in order of their end. */
  readonly number: number;
  /** When the request arrived. */
  readonly atMs: number;
  readonly path: string;
  /** Null for what is not a request to a model: `/v1/models`, unknown paths. */
  readonly wire: Wire | null;
  readonly model: string | null;
  /** The header `idempotency-key`. */
  readonly idempotencyKey: string | null;
  /** Null when no status line was sent. */
  readonly status: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly fault: Fault["kind"] | null;
  readonly outcome: ReceiptOutcome;
}

/**
 * `completed`: the last byte of the answer was produced. `fault`: an injected fault replaced or broke the reply.
 * `refused`: the provider turned the request down (malformed, no key, unknown path, a script that threw).
 * `aborted`: the client went away, or the simulator was closed, before the end.
 */
export type ReceiptOutcome = "completed" | "fault" | "refused" | "aborted";
