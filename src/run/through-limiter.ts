import { isLonghaulError, type LonghaulError } from "../base/error.ts";
import type { Random } from "../base/random.ts";
import type { LimitedCall } from "../policy/account.ts";
import type { CallUse, LimiterPass } from "../policy/limiter.ts";
import type { Usage } from "../record/usage.ts";
import { isUnbilled } from "./model-money.ts";
import type { Parked } from "./parked.ts";
import type { RunScope } from "./run-services.ts";

/** A call as its caller knows it: who asks, and for which task, is known here. */
export interface GovernedCall extends Omit<LimitedCall, "caller" | "task" | "agent" | "priority"> {
  /** Which call of its run: the same when it is made again, and no other's that is under way with it. */
  readonly name: string;
}

/**
 * Makes a call when it is its turn among all calls of the same account, and tells the limiter what it came to.
 * @throws {LIMITER_CLOSED} when its turn is too far off to hold a slot for it.
 */
export async function throughLimiter<T>({ services, worker, engine }: RunScope, { name, ...call }: GovernedCall, useOf: (result: T) => CallUse, body: (pass: LimiterPass) => Promise<T>): Promise<T> {
  const pass = await services.limiter.enter({ ...call, caller: `${engine.runId} ${name}`, task: engine.task.id, agent: worker.name, priority: engine.task.priority });
  let use: CallUse = { kind: "unknown" };
  try {
    const result = await body(pass);
    use = useOf(result);
    return result;
  } catch (error) {
    use = useOfFailed(error);
    throw error;
  } finally {
    pass.leave(use);
  }
}

/** What a failed call counts as at the provider. */
export function useOfFailed(error: unknown): CallUse {
  if (!isLonghaulError(error)) return { kind: "unknown" };
  if (error.code === "MODEL_THROTTLED") return { kind: "throttled", afterMs: typeof error.retry === "object" ? error.retry.afterMs : null };
  if (["BREAKER_OPEN", "BUDGET_EXCEEDED"].includes(error.code)) return { kind: "unmade" };
  return error.code.startsWith("MODEL_") && isUnbilled(error) ? { kind: "failed" } : { kind: "unknown" };
}

export function useOfAnswered({ inputTokens, outputTokens, cacheReadTokens }: Usage): CallUse {
  return { kind: "used", inputTokens, outputTokens, freshInputTokens: Math.max(0, inputTokens - cacheReadTokens) };
}

export function isRefusedByLimiter(error: unknown): error is LonghaulError {
  return isLonghaulError(error) && error.code === "LIMITER_CLOSED";
}

/** Runs that wait for one limit have a turn each; those whose turns are at one instant come back over this time. */
const spreadMs = 1_000;

/** The run waits outside until about its turn, with no slot and no attempt used up. */
export function parkedByLimiter({ retry, details }: LonghaulError, random: Random): Parked {
  const afterMs = typeof retry === "object" ? retry.afterMs : 0;
  const forMs = Math.ceil(afterMs + spreadMs * random.next());
  return { parked: details["limit"] === "concurrency" ? "concurrency" : "rate-limit", forMs, signal: null, effectKey: null };
}
