import { sleep, type Clock } from "../../base/clock.ts";
import type { EngineLimits } from "../limits.ts";
import { isSuspect } from "../task-rules.ts";
import { idsOf, takeTurn, type BegunRun } from "./begin.ts";
import { isFirstSuspect } from "./tasks.ts";
import type { Writer } from "./writer.ts";

/** How often a task asks for its turn, when nothing that happens here tells it. */
const askMs = 1_000;

/** Tasks that may be what kills their process wait for one another, in all processes: the next crash names its culprit. Who is first in line is what the tasks say. */
export class Suspects {
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #limits: EngineLimits;
  readonly #waiting = new Set<AbortController>();
  #wakes = 0;
  #isClosed = false;

  constructor(writer: Writer, clock: Clock, limits: EngineLimits) {
    this.#writer = writer;
    this.#clock = clock;
    this.#limits = limits;
  }

  /**
   * Resolves when it is the turn of this run, at once when its task is not suspected. False when this process stops before. Until then no crash is counted of it.
   * Rejects when `overOf` aborts: nobody waits for this attempt any more, and it must not take a turn.
   */
  async turnOf(begun: BegunRun, overOf: () => AbortSignal): Promise<boolean> {
    const { task } = begun;
    const { recoveriesIsolatedAbove } = this.#limits;
    if (!isSuspect(task, this.#limits)) return true;
    const over = overOf();
    while (!this.#isClosed) {
      const wakes = this.#wakes;
      const isFirst = await this.#writer.read((db) => isFirstSuspect(db, task.serial, recoveriesIsolatedAbove));
      if (isFirst && (await this.#writer.persist((change) => takeTurn(change, idsOf(begun), over)))) return true;
      // What happened while it was asked may have come too late for the answer.
      if (this.#wakes !== wakes) continue;
      const woken = new AbortController();
      this.#waiting.add(woken);
      await sleep(this.#clock, askMs, AbortSignal.any([woken.signal, over])).catch(() => undefined); // Woken: it asks at once.
      this.#waiting.delete(woken);
      over.throwIfAborted();
    }
    return false;
  }

  /** How many wait here. For tests. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Something left memory, or proved harmless. */
  wake(): void {
    this.#wakes++;
    for (const woken of this.#waiting) woken.abort();
  }

  close(): void {
    this.#isClosed = true;
    this.wake();
  }
}
