import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { LonghaulError, messageOf } from "../base/error.ts";

/** `if`, `input`, `key` and `poll` of a trigger may take this long. */
const userCodeTimeoutMs = 60_000;
const reasonLengthMax = 200;

export type UserCodeEnd<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** Runs what a user wrote in a trigger; its failure is a value. Rejects only when `signal` aborts. */
export async function runUserCode<T>(clock: Clock, what: string, signal: AbortSignal | undefined, body: (signal: AbortSignal) => T | Promise<T>): Promise<UserCodeEnd<T>> {
  const onTimeout = (): Error => new LonghaulError("TRIGGER_TIMEOUT", `${what} took longer than ${userCodeTimeoutMs / 1000} s. Do less in it, or move the work into the task.`);
  try {
    return { ok: true, value: await withDeadline({ clock, timeoutMs: userCodeTimeoutMs, onTimeout, signal }, async (inner) => body(inner)) };
  } catch (error) {
    signal?.throwIfAborted();
    return { ok: false, error };
  }
}

/** "error: crm is down": the reason of a receipt. */
export function describeThrown(error: unknown): string {
  const message = messageOf(error);
  return `error: ${message.length <= reasonLengthMax ? message : `${message.slice(0, reasonLengthMax)}…`}`;
}
