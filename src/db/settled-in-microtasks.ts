import { LonghaulError } from "../base/error.ts";
import { macrotask } from "../base/turn.ts";

const late = Symbol("late");

/**
 * The value of a promise that settles in this turn of the event loop: what is awaited inside a transaction holds up everybody else.
 * @throws {TRANSACTION_AWAIT} when it does not; its end is of no interest any more then.
 */
export async function settledInMicrotasks<T>(promise: Promise<T>): Promise<T> {
  const first = await Promise.race([promise, macrotask().then(() => late)]);
  if (first !== late) return first as T;
  promise.catch(() => undefined); // The refusal below is what is reported.
  throw new LonghaulError("TRANSACTION_AWAIT", "A transaction awaited something other than its tx. Nothing was written. Do that work in ctx.step, before the transaction.");
}
