import { macrotask } from "../../base/turn.ts";
import type { CompletedStep } from "../../record/step.ts";

export interface PumpHost {
  /** Runs in each turn before anything is delivered. False stops the pump for good. */
  turn(): boolean;
  /** Settles the promise of this step; false while durable code has not asked for it. */
  deliver(step: CompletedStep): boolean;
  /** Nothing can be delivered, and durable code had several turns to go on. */
  rest(): void;
}

/** Turns of the event loop in which durable code may go on by itself before it counts as being at rest. */
const restTurns = 3;

/**
 * Delivers completions to durable code.
 * P1 in journal order, whether they were loaded or are new;      P2 one at a time, with all microtasks and one turn of the event loop between two;
 * P3 each once;                                                  P4 a completion waits until its step was asked for.
 */
export class Pump {
  readonly #host: PumpHost;
  readonly #undelivered = new Map<number, CompletedStep>();
  #nextSeq = 1;
  #isActive = false;
  #wasPoked = false;

  constructor(host: PumpHost) {
    this.#host = host;
  }

  /** False at rest: nothing happens until something is added or asked for. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** How many completions were delivered: the seq of the last one. */
  get deliveredSeq(): number {
    return this.#nextSeq - 1;
  }

  /** The completions that wait for their turn, in order. */
  get undelivered(): readonly CompletedStep[] {
    return [...this.#undelivered.values()].toSorted((a, b) => a.seq - b.seq);
  }

  get isEmpty(): boolean {
    return this.#undelivered.size === 0;
  }

  add(step: CompletedStep): void {
    if (step.seq >= this.#nextSeq) this.#undelivered.set(step.seq, step);
    this.poke();
  }

  /** Something changed: look again. */
  poke(): void {
    this.#wasPoked = true;
    if (this.#isActive) return;
    this.#isActive = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    let quietTurns = 0;
    while (quietTurns < restTurns) {
      this.#wasPoked = false;
      await macrotask();
      if (!this.#host.turn()) return;
      quietTurns = this.#deliverNext() || this.#wasPoked ? 0 : quietTurns + 1;
    }
    this.#isActive = false;
    this.#host.rest();
  }

  #deliverNext(): boolean {
    const step = this.#undelivered.get(this.#nextSeq);
    if (step === undefined || !this.#host.deliver(step)) return false;
    this.#undelivered.delete(this.#nextSeq);
    this.#nextSeq++;
    return true;
  }
}
