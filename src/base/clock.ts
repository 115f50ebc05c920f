/** Time as an argument. Nothing outside `base/` reads the ambient clock or sets ambient timers. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds since the machine booted, the same in all of its processes; nobody can set it. Use it for durations. It stands still while a Linux machine sleeps, as timers do. */
  monotonicMs(): number;
  /** Calls `run` once, no earlier than `delayMs` from now. A delay above 24 days is honoured. */
  setTimer(delayMs: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** The longest delay that a platform timer holds; longer ones are chained. */
const platformDelayMsMax = 2_147_000_000;

/** `performance.now()` reads the same clock of the system as `process.hrtime()` and counts from the start of the process, not of the machine. */
const sinceBootMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The machine's clock. Its timers keep the process alive until they are cancelled. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => sinceBootMs + performance.now(),
  setTimer(delayMs, run) {
    let handle: NodeJS.Timeout;
    const arm = (remainingMs: number): void => {
      const partMs = Math.min(Math.max(remainingMs, 0), platformDelayMsMax);
      handle = setTimeout(() => {
        if (remainingMs > partMs) arm(remainingMs - partMs);
        else run();
      }, partMs);
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** A wall clock that was set forward, or a machine that slept, is noticed within this time. */
const wallCheckMs = 3_600_000;

/**
 * Calls `run` once: after `delayMs`, or when the wall clock says that so much time has passed, whichever comes first. For what is due at an instant:
 * timers stand still while a machine sleeps and know nothing of a clock that is set forward. A clock that is set back delays nothing.
 */
export function setWallTimer(clock: Clock, delayMs: number, run: () => void): Timer {
  const dueAtMs = clock.now() + delayMs;
  const dueMonotonicMs = clock.monotonicMs() + delayMs;
  let timer: Timer;
  const arm = (): void => {
    const remainingMs = Math.min(dueAtMs - clock.now(), dueMonotonicMs - clock.monotonicMs());
    timer = clock.setTimer(Math.min(Math.max(remainingMs, 0), wallCheckMs), remainingMs > wallCheckMs ? arm : run);
  };
  arm();
  return { cancel: () => timer.cancel() };
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
