import type { AttemptIds } from "./attempt-state.ts";
import type { Activation } from "./claim.ts";

/** A call of Restate to execute an activation. */
export interface Call extends Activation {
  /** Null before it has begun. */
  attempt: AttemptIds | null;
  /** Why the attempt ended without a crash, while it is being noted. Until then the call is under way: what this process cannot note another one does that takes the call. */
  noting: Promise<void> | null;
  /** Aborts when another process is to go on with it. */
  readonly given: AbortController;
}

/** What Restate has called here and is not over. */
export class Calls {
  readonly #calls = new Map<string, Call>();
  #underWay = 0;
  #ended: (() => void)[] = [];

  async track(invocationId: string, activation: Activation, execute: (call: Call) => Promise<void>): Promise<void> {
    const call: Call = { ...activation, attempt: null, noting: null, given: new AbortController() };
    this.#calls.set(invocationId, call);
    this.#underWay++;
    try {
      await execute(call);
    } finally {
      await call.noting;
      // A later call of the same invocation may have come while this one was given up.
      if (this.#calls.get(invocationId) === call) this.#calls.delete(invocationId);
      if (--this.#underWay === 0) for (const wake of this.#ended.splice(0)) wake();
    }
  }

  /** Resolves when none is under way. */
  async ended(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#ended.push(resolve));
  }

  get(invocationId: string): Call | undefined {
    return this.#calls.get(invocationId);
  }

  list(): readonly Activation[] {
    return [...this.#calls.values()].map(({ runId, activation }) => ({ runId, activation }));
  }

  has(activation: Activation): boolean {
    return this.find(activation).length > 0;
  }

  giveBack(activations: readonly Activation[], reason: Error): void {
    for (const activation of activations) for (const call of this.find(activation)) call.given.abort(reason);
  }

  find({ runId, activation }: Activation): readonly Call[] {
    return [...this.#calls.values()].filter((call) => call.runId === runId && call.activation === activation);
  }
}
