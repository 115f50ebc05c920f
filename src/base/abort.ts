import { sleep, type Clock } from "./clock.ts";

/** What `work` comes to, or a rejection with the signal's reason as soon as it aborts. What `work` does afterwards is its own; its late result is dropped. */
export async function orAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let release = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    release = () => signal.removeEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    release();
  }
}

/** Work that took longer may have been interrupted: the process was stopped and goes on, and somebody else has taken over meanwhile. */
const longMs = 500;
/** By then a process that goes on has heard of what happened while it was stopped. */
const hearMs = 50;

/** As `orAborted`, for what is known before something is done that must not happen twice: after work that took long it is listened for an abort for a moment. */
export async function orTakenOver<T>(clock: Clock, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const sinceMs = clock.monotonicMs();
  const value = await orAborted(signal, work);
  if (clock.monotonicMs() - sinceMs > longMs) await sleep(clock, hearMs, signal);
  return value;
}
