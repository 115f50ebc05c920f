import { onNextTurn } from "../base/turn.ts";
import type { EndedStep } from "./journaled-step.ts";

/** A step that is over, and what it is found by. */
export interface Completion {
  readonly key: string;
  readonly step: EndedStep;
}

export interface PumpHost {
  /** Runs in each turn before anything is delivered. False stops the pump for good. */
  turn(): boolean;
  /** True when something is under way that pokes the pump when it is over: until then nobody need know whether durable code is at rest. */
  readonly isUnderWay?: () => boolean;
  /** Settles the promise of this step; false while durable code has not asked for it. */
  deliver(completion: Completion): boolean;
  /** Nothing can be delivered, and durable code had several turns to go on. */
  rest(): void;
}

/** Turns of the event loop in which durable code may go on by itself before it counts as being at rest. */
const restTurns = 3;

/**
 * Delivers completions to durable code.
 * P1 in the order in which they are added, which is that of the journal;      P2 one at a time, with all microtasks and one turn of the event loop between two;
 * P3 each once;                                                               P4 a completion waits until its step was asked for, and the next ones wait behind it.
 */
export class Pump {
  readonly #host: PumpHost;
  #queue: Completion[] = [];
  #deliveredCount = 0;
  #isActive = false;
  /** Turns since something happened, this one not counted. */
  #quietTurns = 0;

  constructor(host: PumpHost) {
    this.#host = host;
  }

  /** False at rest: nothing happens until something is added or asked for. */
  get isActive(): boolean {
    return this.#isActive;
  }

  get deliveredCount(): number {
    return this.#deliveredCount;
  }

  /** The completions that wait for their turn, in order. */
  get undelivered(): readonly Completion[] {
    return this.#queue;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  add(completion: Completion): void {
    this.#queue.push(completion);
    this.poke();
  }

  /** Something changed: look again. */
  poke(): void {
    this.#quietTurns = -1;
    if (this.#isActive) return;
    this.#isActive = true;
    onNextTurn(this.#turn);
  }

  readonly #turn = (): void => {
    this.#quietTurns++;
    if (!this.#host.turn()) return;
    if (this.#deliverNext()) this.#quietTurns = 0;
    else if (this.#host.isUnderWay?.() === true) {
      this.#isActive = false;
      return;
    }
    if (this.#quietTurns < restTurns) {
      onNextTurn(this.#turn);
      return;
    }
    this.#isActive = false;
    this.#host.rest();
  };

  #deliverNext(): boolean {
    const completion = this.#queue[0];
    if (completion === undefined || !this.#host.deliver(completion)) return false;
    this.#queue.shift();
    this.#deliveredCount++;
    return true;
  }
}
