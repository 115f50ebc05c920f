import type { Clock } from "../../base/clock.ts";

/** A run that was given a slot begins sooner than this, or elsewhere. */
const lateMs = 5_000;

/** Runs that this process gave a slot and that have not begun in it. Nobody tells of those that begin elsewhere: they are forgotten after a while. */
export class ExpectedRuns {
  readonly #clock: Clock;
  /** When each was given its slot, in that order. */
  readonly #runs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    this.#forgetLate();
    return this.#runs.size === 0;
  }

  add(runId: string): void {
    this.#forgetLate();
    this.#runs.set(runId, this.#clock.monotonicMs());
  }

  remove(runId: string): void {
    this.#runs.delete(runId);
  }

  clear(): void {
    this.#runs.clear();
  }

  #forgetLate(): void {
    const beforeMs = this.#clock.monotonicMs() - lateMs;
    for (const [runId, atMs] of this.#runs) {
      if (atMs > beforeMs) return;
      this.#runs.delete(runId);
    }
  }
}
