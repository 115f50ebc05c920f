import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock, Timer } from "../clock.ts";

/** Longer delays do not fit the platform's timers, which then fire at once; code that would break there breaks here too. */
const platformDelayMsMax = 2_147_483_647;

type Callback = (...values: readonly unknown[]) => unknown;

/** The timer functions of the platform over a clock. `setImmediate` is not among them: a turn of the event loop takes no time. */
export interface VirtualTimers {
  readonly setTimeout: (callback: Callback, delayMs?: unknown, ...values: readonly unknown[]) => VirtualTimeout;
  readonly setInterval: (callback: Callback, delayMs?: unknown, ...values: readonly unknown[]) => VirtualTimeout;
  /** Of timeouts and of intervals. */
  readonly clear: (timeout: unknown) => void;
}

export function createVirtualTimers(clock: Clock): VirtualTimers {
  const live = new Map<number, VirtualTimeout>();
  let made = 0;
  const set = (isRepeated: boolean) => (callback: Callback, delayMs: unknown = 1, ...values: readonly unknown[]): VirtualTimeout => {
    if (typeof callback !== "function") throw new TypeError(`The "callback" argument must be of type function. Received ${typeof callback}`);
    // What runs under a timer sees the asynchronous context in which the timer was set.
    const run = AsyncLocalStorage.bind(() => void callback(...values));
    return new VirtualTimeout({ clock, id: ++made, delayMs: toDelayMs(delayMs), isRepeated, run, live });
  };
  return {
    setTimeout: set(false),
    setInterval: set(true),
    clear(timeout) {
      if (timeout instanceof VirtualTimeout) timeout.close();
      else if (typeof timeout === "number" || typeof timeout === "string") live.get(Number(timeout))?.close();
    },
  };
}

function toDelayMs(value: unknown): number {
  const delayMs = Math.trunc(Number(value));
  return delayMs >= 1 && delayMs <= platformDelayMsMax ? delayMs : 1;
}

interface TimeoutOptions {
  readonly clock: Clock;
  readonly id: number;
  readonly delayMs: number;
  readonly isRepeated: boolean;
  readonly run: () => void;
  /** Those that are set, by the number that stands for them. */
  readonly live: Map<number, VirtualTimeout>;
}

/** What `setTimeout` returns: an object with the methods of Node's, which stands for a number. */
class VirtualTimeout {
  readonly #options: TimeoutOptions;
  #timer: Timer | null = null;
  #isReferenced = true;

  constructor(options: TimeoutOptions) {
    this.#options = options;
    this.#arm();
  }

  ref(): this {
    this.#isReferenced = true;
    return this;
  }

  /** Virtual time goes on whoever holds the process: only what `hasRef` says changes. */
  unref(): this {
    this.#isReferenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.#isReferenced;
  }

  refresh(): this {
    if (this.#timer !== null) this.#arm();
    return this;
  }

  close(): this {
    this.#timer?.cancel();
    this.#timer = null;
    this.#options.live.delete(this.#options.id);
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.toPrimitive](): number {
    return this.#options.id;
  }

  #arm(): void {
    const { clock, delayMs, live, id } = this.#options;
    this.#timer?.cancel();
    live.set(id, this);
    this.#timer = clock.setTimer(delayMs, () => this.#fire());
  }

  #fire(): void {
    const { isRepeated, run } = this.#options;
    if (isRepeated) this.#arm();
    else this.close();
    run();
  }
}
