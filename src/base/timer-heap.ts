import type { Timer } from "./clock.ts";

/** A timer that is set: where it stands in the order, and what it calls. */
export interface SetTimer {
  readonly atMs: number;
  run(): void;
}

/**
 * Timers in order of their time, then of their creation. Setting and taking cost the logarithm of their number. A cancelled timer stays where it is until
 * it comes up, or until half of all are cancelled.
 */
export class TimerHeap {
  #entries: Entry[] = [];
  #cancelled = 0;
  #added = 0;

  /** How many were ever added. */
  get added(): number {
    return this.#added;
  }

  get earliestAtMs(): number | undefined {
    this.#dropCancelled();
    return this.#entries[0]?.atMs;
  }

  pendingAtMs(): readonly number[] {
    return this.#entries.filter((entry) => entry.isSet).map((entry) => entry.atMs).toSorted((a, b) => a - b);
  }

  add(atMs: number, work: () => void): Timer {
    const entry = new Entry(atMs, this.#added++, work, this.#onCancel);
    this.#entries.push(entry);
    this.#siftUp(this.#entries.length - 1);
    return entry;
  }

  /** Takes the earliest timer out, unless it is later than `untilMs` or younger than the first `olderThan` that were added. */
  takeEarliest(untilMs: number, olderThan = Number.POSITIVE_INFINITY): SetTimer | null {
    this.#dropCancelled();
    const first = this.#entries[0];
    if (first === undefined || first.atMs > untilMs || first.order >= olderThan) return null;
    this.#removeFirst();
    first.isSet = false;
    return first;
  }

  readonly #onCancel = (): void => {
    this.#cancelled++;
    if (this.#cancelled < compactAbove || this.#cancelled * 2 < this.#entries.length) return;
    this.#entries = this.#entries.filter((entry) => entry.isSet).toSorted((a, b) => (isBefore(a, b) ? -1 : 1));
    this.#cancelled = 0;
  };

  #dropCancelled(): void {
    while (this.#entries[0]?.isSet === false) {
      this.#removeFirst();
      this.#cancelled--;
    }
  }

  #removeFirst(): void {
    const last = this.#entries.pop();
    if (last === undefined || this.#entries.length === 0) return;
    this.#entries[0] = last;
    this.#siftDown();
  }

  #siftUp(from: number): void {
    const entries = this.#entries;
    const entry = entries[from] as Entry;
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = entries[above] as Entry;
      if (isBefore(parent, entry)) break;
      entries[index] = parent;
      index = above;
    }
    entries[index] = entry;
  }

  #siftDown(): void {
    const entries = this.#entries;
    const entry = entries[0] as Entry;
    const half = entries.length >> 1;
    let index = 0;
    while (index < half) {
      let below = 2 * index + 1;
      const right = entries[below + 1];
      if (right !== undefined && isBefore(right, entries[below] as Entry)) below++;
      const child = entries[below] as Entry;
      if (isBefore(entry, child)) break;
      entries[index] = child;
      index = below;
    }
    entries[index] = entry;
  }
}

/** Fewer cancelled timers than this are not worth a new heap. */
const compactAbove = 1_024;

class Entry implements SetTimer, Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  readonly #onCancel: () => void;
  isSet = true;

  constructor(atMs: number, order: number, run: () => void, onCancel: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.run = run;
    this.#onCancel = onCancel;
  }

  cancel(): void {
    if (!this.isSet) return;
    this.isSet = false;
    this.#onCancel();
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
