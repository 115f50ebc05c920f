import type { Clock, Timer } from "./clock.ts";
import { macrotask } from "./turn.ts";

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * A clock that stands still until it is advanced. Timers fire in order of their time, then of their creation; between
 * two instants the event loop is drained, so that promises see the world as they would in real time.
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #originMs: number;
  #order = 0;
  readonly #entries = new Set<Entry>();

  constructor(startAtMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startAtMs;
    this.#originMs = startAtMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#originMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const entry: Entry = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order++, run };
    this.#entries.add(entry);
    return { cancel: () => void this.#entries.delete(entry) };
  }

  /** How many timers were set so far: a sign of activity. */
  get timersSet(): number {
    return this.#order;
  }

  /** Instants of the timers that are set, earliest first. */
  get pendingAtMs(): readonly number[] {
    return [...this.#entries].map((entry) => entry.atMs).toSorted((a, b) => a - b);
  }

  /**
   * Moves time forward by `ms`, firing what falls due.
   * `settle` runs before each instant and must return when nothing is left to do at that instant; by default it drains the event loop.
   */
  async advance(ms: number, settle: () => Promise<void> = drainEventLoop): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const next = this.#earliest();
      if (next === undefined || next.atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#fireDue();
    }
    this.#nowMs = untilMs;
    await settle();
  }

  /** Fires the next timer, moving time to it; false when none is set. */
  async advanceToNext(settle: () => Promise<void> = drainEventLoop): Promise<boolean> {
    await settle();
    const next = this.#earliest();
    if (next === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    this.#fireDue();
    await settle();
    return true;
  }

  #earliest(): Entry | undefined {
    let earliest: Entry | undefined;
    for (const entry of this.#entries) {
      if (!earliest || entry.atMs < earliest.atMs || (entry.atMs === earliest.atMs && entry.order < earliest.order)) earliest = entry;
    }
    return earliest;
  }

  #fireDue(): void {
    const due = [...this.#entries].filter((entry) => entry.atMs <= this.#nowMs).toSorted((a, b) => a.atMs - b.atMs || a.order - b.order);
    for (const entry of due) {
      if (this.#entries.delete(entry)) entry.run();
    }
  }
}

const drainTurns = 20;

async function drainEventLoop(): Promise<void> {
  for (let turn = 0; turn < drainTurns; turn++) await macrotask();
}
