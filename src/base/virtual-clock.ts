import type { Clock, Timer } from "./clock.ts";
import { macrotask } from "./turn.ts";
import { TimerHeap } from "./timer-heap.ts";

/** All virtual clocks are of one machine and one boot: a process that takes over from another one reads on where that one stopped. */
const bootAtMs = Date.UTC(2026, 0, 1);

/**
 * A clock that stands still until it is advanced. Timers fire in order of their time, then of their creation; between
 * two instants the event loop is drained, so that promises see the world as they would in real time.
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #timers = new TimerHeap();

  constructor(startAtMs = bootAtMs) {
    this.#nowMs = startAtMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - bootAtMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    return this.#timers.add(this.#nowMs + Math.max(delayMs, 0), run);
  }

  /** How many timers were set so far: a sign of activity. */
  get timersSet(): number {
    return this.#timers.added;
  }

  /** The instant of the next timer; undefined when none is set. */
  get nextAtMs(): number | undefined {
    return this.#timers.earliestAtMs;
  }

  /** Instants of the timers that are set, earliest first. */
  get pendingAtMs(): readonly number[] {
    return this.#timers.pendingAtMs();
  }

  /**
   * Moves time forward by `ms`, firing what falls due.
   * `settle` runs before each instant and must return when nothing is left to do at that instant; by default it drains the event loop.
   */
  async advance(ms: number, settle: () => Promise<void> = drainEventLoop): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      if (!this.#fireInstant(untilMs)) break;
    }
    this.#nowMs = untilMs;
    await settle();
  }

  /** Fires the next timer, moving time to it; false when none is set. */
  async advanceToNext(settle: () => Promise<void> = drainEventLoop): Promise<boolean> {
    await settle();
    if (!this.#fireInstant(Number.POSITIVE_INFINITY)) return false;
    await settle();
    return true;
  }

  /** Fires one timer that falls due by `untilMs`, moving time to it; false when there is none. The caller lets promises settle before the next one. */
  fireNext(untilMs: number): boolean {
    const next = this.#timers.takeEarliest(untilMs);
    if (next === null) return false;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.run();
    return true;
  }

  /** Moves time forward to `untilMs`, firing what falls due back to back: no promise settles in between. Returns how many fired. */
  runTimers(untilMs: number): number {
    let fired = 0;
    while (this.fireNext(untilMs)) fired++;
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return fired;
  }

  /** Fires the timers of the next instant, as far as they are set by now; false when there is none by `untilMs`. */
  #fireInstant(untilMs: number): boolean {
    const nextAtMs = this.#timers.earliestAtMs;
    if (nextAtMs === undefined || nextAtMs > untilMs) return false;
    this.#nowMs = Math.max(this.#nowMs, nextAtMs);
    const isOlder = this.#timers.added;
    for (;;) {
      const next = this.#timers.takeEarliest(this.#nowMs, isOlder);
      if (next === null) return true;
      next.run();
    }
  }
}

const drainTurns = 20;

async function drainEventLoop(): Promise<void> {
  for (let turn = 0; turn < drainTurns; turn++) await macrotask();
}
