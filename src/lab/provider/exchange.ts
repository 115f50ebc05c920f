import { breaksReply, type Fault } from "./fault.ts";
import type { RateWindow } from "./rate-window.ts";
import type { Receipt, ReceiptOutcome } from "./receipt.ts";
import type { SimulatedUsage } from "./simulated-reply.ts";
import type { Wire } from "./simulated-request.ts";

interface Arrival {
  readonly number: number;
  readonly atMs: number;
  readonly path: string;
  /** Of the account that asks. */
  readonly rate: RateWindow;
  readonly idempotencyKey: string | null;
  /**
   * The client's request, and what it was made from. A Request's signal follows the client's only as long as the Request itself is
   * reachable, so both are held until the receipt is written; otherwise a garbage collection loses the abort.
   */
  readonly request: Request;
  readonly madeFrom: unknown;
  readonly onReceipt: (receipt: Receipt) => void;
}

/** One request on its way: what is known of it so far, and exactly one receipt at its end. */
export class Exchange {
  readonly #arrival: Arrival;
  readonly #abort = new AbortController();
  readonly #onClientGone = (): void => this.abort(this.#arrival.request.signal.reason);
  #wire: Wire | null = null;
  #model: string | null = null;
  #status: number | null = null;
  #tokens = { inputTokens: 0, outputTokens: 0 };
  #fault: Fault | null = null;
  #isSettled = false;
  #isUnanswered = false;

  constructor(arrival: Arrival) {
    this.#arrival = arrival;
    const { signal } = arrival.request;
    if (signal.aborted) this.#onClientGone();
    else signal.addEventListener("abort", this.#onClientGone, { once: true });
  }

  get rate(): RateWindow {
    return this.#arrival.rate;
  }

  get number(): number {
    return this.#arrival.number;
  }

  /** Aborts when the client goes away or the simulator is closed. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  isFor(wire: Wire, model: string | null): void {
    this.#wire = wire;
    this.#model = model;
  }

  hasFault(fault: Fault | undefined): void {
    this.#fault = fault ?? null;
  }

  isBilled({ inputTokens, outputTokens }: SimulatedUsage): void {
    this.#tokens = { inputTokens, outputTokens };
  }

  hasStatus(status: number): void {
    this.#status = status;
  }

  /** True when the request failed below HTTP: nobody answers it. */
  get isUnanswered(): boolean {
    return this.#isUnanswered;
  }

  /** Ends the exchange without a status line. @throws {Error} what the client's `fetch` rejects with. */
  failUnanswered(error: Error): never {
    this.#isUnanswered = true;
    this.settle("fault");
    throw error;
  }

  /** Ends the exchange from the client's side. What waits on `signal` rejects with `reason`. */
  abort(reason: unknown): void {
    this.settle("aborted");
    this.#abort.abort(reason);
  }

  /** Writes the receipt; a second call has no effect. A fault that breaks the reply outweighs how it ended. */
  settle(outcome: ReceiptOutcome): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const { number, atMs, path, idempotencyKey, request, onReceipt } = this.#arrival;
    request.signal.removeEventListener("abort", this.#onClientGone);
    onReceipt({
      number,
      atMs,
      path,
      wire: this.#wire,
      model: this.#model,
      idempotencyKey,
      status: this.#status,
      ...this.#tokens,
      fault: this.#fault?.kind ?? null,
      outcome: this.#fault && breaksReply(this.#fault) ? "fault" : outcome,
    });
  }
}
