import type { Clock } from "./clock.ts";

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** The error to reject with when time is up. */
  readonly onTimeout: () => Error;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `body` and rejects when time is up or `signal` aborts, even if `body` ignores the signal that it is given.
 * What `body` does afterwards is its own; its late result is dropped.
 */
export function withDeadline<T>(options: DeadlineOptions, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, timeoutMs, onTimeout, signal } = options;
  if (signal?.aborted) return Promise.reject(signal.reason as Error);
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const stop = (reason: unknown): void => {
      release();
      controller.abort(reason);
      reject(reason);
    };
    const onAbort = (): void => stop(signal?.reason);
    const timer = clock.setTimer(timeoutMs, () => stop(onTimeout()));
    const release = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    Promise.resolve()
      .then(() => body(controller.signal))
      .then(
        (value) => {
          release();
          resolve(value);
        },
        (error: unknown) => {
          release();
          reject(error);
        },
      );
  });
}
