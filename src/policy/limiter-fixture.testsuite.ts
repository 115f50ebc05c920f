import { sleep } from "../base/clock.ts";
import { isLonghaulError, type LonghaulError } from "../base/error.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import type { LimitedCall } from "./account.ts";
import { type CallUse, Limiter, type LimiterPass } from "./limiter.ts";
import type { DeclaredLimits } from "./scope.ts";

export const answered: CallUse = { kind: "rejected" };

export interface World {
  readonly clock: VirtualClock;
  readonly limiter: Limiter;
  readonly enter: (call?: Partial<LimitedCall>) => Promise<LimiterPass>;
}

/** `models`: declared of models of the account. */
export function open(declared: DeclaredLimits = {}, models: Readonly<Record<string, DeclaredLimits>> = {}): World {
  const clock = new VirtualClock();
  const limiter = new Limiter({ clock, declared: { p: declared, ...models } });
  const { signal } = new AbortController();
  let callers = 0;
  const enter = (call: Partial<LimitedCall> = {}): Promise<LimiterPass> =>
    limiter.enter({ account: "p key", provider: "p", model: "p/m", concurrencyMax: 256, caller: `caller-${++callers}`, task: "t", agent: "a", priority: 0, inputTokens: 10, outputTokens: 10, signal, ...call });
  return { clock, limiter, enter };
}

/** Asks until it is let through, waiting outside as a run does. Returns how long that took. */
export async function insist({ clock, enter }: World, call: Partial<LimitedCall> & { readonly caller: string }): Promise<{ readonly pass: LimiterPass; readonly waitedMs: number }> {
  const sinceMs = clock.now();
  for (;;) {
    try {
      const pass = await enter(call);
      return { pass, waitedMs: clock.now() - sinceMs };
    } catch (error) {
      await sleep(clock, afterMsOf(error));
    }
  }
}

function afterMsOf(error: unknown): number {
  if (isLonghaulError(error) && typeof error.retry === "object") return error.retry.afterMs;
  throw error;
}

export async function refusalOf(entering: Promise<LimiterPass>): Promise<LonghaulError> {
  return await entering.then(() => Promise.reject(new Error("It was let through.")), (error: unknown) => error as LonghaulError);
}
