import type { Clock, Timer } from "../../base/clock.ts";
import type { DrainReport } from "../engine.ts";
import { drainOver } from "../refusal.ts";
import type { LiveActivation } from "./activation.ts";

/** How long PostgreSQL may take to note that a run was interrupted. */
const releaseMsMax = 5_000;

/** The runs that this process has in memory. */
export class LiveActivations {
  readonly #live = new Map<string, LiveActivation>();
  #isDraining = false;
  #released = 0;
  #emptied: (() => void)[] = [];

  get isAtRest(): boolean {
    return [...this.#live.values()].every((activation) => activation.isAtRest);
  }

  get isTelling(): boolean {
    return [...this.#live.values()].some((activation) => activation.isTelling);
  }

  get taskIds(): Iterable<string> {
    return [...this.#live.values()].map(({ taskId }) => taskId);
  }

  /** Executes a run. Resolves when it has left memory. */
  async run(activation: LiveActivation): Promise<void> {
    this.#live.set(activation.runId, activation);
    if (this.#isDraining) activation.drain();
    try {
      await activation.run();
    } finally {
      // A later attempt of the same run may have come while this one was let go.
      if (this.#live.get(activation.runId) === activation) this.#live.delete(activation.runId);
      if (activation.wasReleased) this.#released++;
      if (this.#live.size === 0) for (const wake of this.#emptied.splice(0)) wake();
    }
  }

  letGo(runId: string): number | null {
    return this.#live.get(runId)?.letGo() ?? null;
  }

  /** The task of a run is over. */
  end(runId: string, reason: Error): void {
    this.#live.get(runId)?.stop(reason);
  }

  /** Resolves when no run is in memory. Those that still execute after `timeoutMs` are released as they are; what PostgreSQL does not take within 5 s is left as a crash would leave it. */
  async drain(clock: Clock, timeoutMs: number): Promise<DrainReport> {
    this.#isDraining = true;
    const reason = drainOver(timeoutMs);
    let timer: Timer;
    const interrupt = (): void => {
      timer = clock.setTimer(releaseMsMax, () => {
        for (const activation of this.#live.values()) activation.stop(reason);
      });
      for (const activation of this.#live.values()) activation.interrupt(reason);
    };
    for (const activation of this.#live.values()) activation.drain();
    if (this.#live.size > 0) {
      const emptied = new Promise<void>((resolve) => this.#emptied.push(resolve));
      if (timeoutMs > 0) timer = clock.setTimer(timeoutMs, interrupt);
      else interrupt();
      await emptied.finally(() => timer.cancel());
    }
    return { interrupted: this.#released };
  }
}
