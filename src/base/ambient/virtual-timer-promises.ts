import { type Clock, sleep } from "../clock.ts";

interface Options {
  readonly signal?: AbortSignal;
}

/** What `node:timers/promises` has, over a clock; its `setImmediate` stays the platform's. */
export function createVirtualTimerPromises(clock: Clock) {
  const wait = async <T>(delayMs: number = 1, value?: T, { signal }: Options = {}): Promise<T | undefined> => {
    try {
      await sleep(clock, Math.max(1, Math.trunc(delayMs)), signal);
    } catch {
      throw abortError(signal);
    }
    return value;
  };
  async function* repeat<T>(delayMs: number = 1, value?: T, { signal }: Options = {}): AsyncGenerator<T | undefined> {
    for (let dueAtMs = clock.monotonicMs() + delayMs; ; dueAtMs += delayMs) yield await wait(Math.max(1, dueAtMs - clock.monotonicMs()), value, signal === undefined ? {} : { signal });
  }
  return { setTimeout: wait, setInterval: repeat, wait: (delayMs?: number, options?: Options) => wait(delayMs, undefined, options) };
}

function abortError(signal: AbortSignal | undefined): Error {
  const error = new Error("The operation was aborted", { cause: signal?.reason });
  return Object.assign(error, { name: "AbortError", code: "ABORT_ERR" });
}

/** `AbortSignal.timeout` over a clock. */
export function createTimeoutSignal(clock: Clock): (delayMs: number) => AbortSignal {
  return (delayMs) => {
    if (!Number.isInteger(delayMs) || delayMs < 0) throw new RangeError(`The value of "delay" is out of range. It must be >= 0 && <= ${Number.MAX_SAFE_INTEGER}. Received ${delayMs}`);
    const controller = new AbortController();
    clock.setTimer(delayMs, () => controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")));
    return controller.signal;
  };
}
