import { orAborted } from "../base/abort.ts";
import { isLonghaulError, messageOf } from "../base/error.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { StepEnd, StepExecution } from "../engine/engine.ts";
import { inputTokensMax } from "../model/model-price.ts";
import { defaultModelTimeouts, type ModelTimeouts } from "../model/model.ts";
import type { CallEnd } from "../policy/breaker.ts";
import type { LimiterPass } from "../policy/limiter.ts";
import { isNotTried, retryDefaults, withRetry } from "../policy/retry.ts";
import { limiterDefaults } from "../policy/scope.ts";
import { toFailure } from "../record/failure.ts";
import type { Message } from "../record/message.ts";
import type { StatedLimit } from "../record/stated-limit.ts";
import { totalTokens, type Usage } from "../record/usage.ts";
import type { Write } from "../record/write.ts";
import type { Reservation } from "../store/store.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { isUnbilled, reserveForCall, settleWrite } from "./model-money.ts";
import { budgetSignal, computeDurableRetryMs, type Parked, parkedToJson, parseParked } from "./parked.ts";
import { createRetryLog, placeOf, type RecordPlace, recordWrite } from "./run-record.ts";
import type { RunScope, RunServices } from "./run-services.ts";
import { afterMsOf, isRefusedByBreaker, parkedByBreaker, throughBreaker } from "./through-breaker.ts";
import { isRefusedByLimiter, parkedByLimiter, throughLimiter, useOfAnswered } from "./through-limiter.ts";

/** What one model call came to, whichever way it was made. */
export interface ModelAnswer {
  /** Goes into the journal and comes back at replay. */
  readonly value: Json;
  readonly usage: Usage;
  readonly costMicroUsd: number | null;
  readonly data: JsonObject;
  readonly writes: readonly Write[];
}

export interface ModelCallPlan {
  /** "t3/model". */
  readonly name: string;
  readonly prepare: (execution: StepExecution) => Promise<PreparedCall>;
}

export interface PreparedCall {
  readonly modelId: string;
  readonly account: string;
  readonly provider: string;
  readonly simulated: boolean;
  readonly messages: readonly Message[];
  readonly outputTokensMax: number;
  readonly estimateMicroUsd: number;
  /** `onLimits` is told what the answer states of the provider's limits. */
  readonly perform: (onLimits: (limits: readonly StatedLimit[]) => void) => Promise<ModelAnswer>;
}

/**
 * One model call as durable steps: the money is set aside before, settled with the real cost in the step's own commit, and what cannot go on now
 * (budget, rate limit, an outage) parks the run instead of burning attempts.
 */
export async function callModel(scope: RunScope, plan: ModelCallPlan): Promise<Json> {
  for (let failures = 0; ; ) {
    const round = failures + 1;
    const value = await scope.engine.step({ kind: "model", name: plan.name }, (execution) => withHeartbeat(scope, execution, plan.name, () => modelStep(scope, execution, plan, round)));
    const parked = parseParked(value);
    if (parked === null) return value;
    // Waiting for a budget or a rate limit is nobody's failure: only outages make the next wait longer.
    if (parked.parked === "retry") failures++;
    await scope.engine.wait({
      name: `${plan.name}/parked`,
      reason: parked.parked,
      ...(parked.forMs === null ? {} : { timeoutMs: parked.forMs }),
      ...(parked.signal === null ? {} : { signal: parked.signal }),
    });
  }
}

/** What the last try got to. */
interface LastTry {
  call: PreparedCall | null;
  reservation: Reservation | null;
}

async function modelStep(scope: RunScope, execution: StepExecution, plan: ModelCallPlan, round: number): Promise<StepEnd> {
  const { clock, random, quotas } = scope.services;
  const { signal } = execution;
  const place = placeOf(execution);
  const retries = createRetryLog(scope, place);
  const last: LastTry = { call: null, reservation: null };
  const startedMs = clock.monotonicMs();
  try {
    const done = await withRetry({ clock, random, signal, onRetry: retries.onRetry, quota: () => (last.call === null ? null : quotas.of(last.call.modelId)) }, () => tryCall(scope, execution, plan, last));
    const writes = [...settled(last, done.costMicroUsd ?? 0, totalTokens(done.usage)), ...done.writes, ...retries.writes];
    return { outcome: { ok: true, value: done.value }, writes: [successRecord(scope, place, last.call, done, clock.monotonicMs() - startedMs), ...writes] };
  } catch (error) {
    if (signal.aborted) throw error;
    const parked = toParked(error, round, last.call, scope.services);
    const record = parked?.parked === "budget" ? budgetRecord(scope, place, last.call, error) : failureRecord(scope, place, last.call, error, clock.monotonicMs() - startedMs);
    const writes = [record, ...settled(last, last.reservation?.amountMicroUsd ?? 0, 0), ...retries.writes];
    return { outcome: parked === null ? { ok: false, failure: toFailure(error) } : { ok: true, value: parkedToJson(parked) }, writes };
  }
}

async function tryCall(scope: RunScope, execution: StepExecution, plan: ModelCallPlan, last: LastTry): Promise<ModelAnswer> {
  last.reservation = null;
  const call = await plan.prepare(execution);
  last.call = call;
  const { modelId, account, provider, messages, outputTokensMax } = call;
  const { signal } = execution;
  const governed = { name: plan.name, account, provider, model: modelId, concurrencyMax: limiterDefaults.modelConcurrency, inputTokens: inputTokensMax(messages), outputTokens: outputTokensMax, signal };
  // Before the breaker: whoever tries whether a provider works again does not wait for its turn then.
  return await throughLimiter(scope, governed, ({ usage }) => useOfAnswered(usage), (pass) =>
    throughBreaker(scope, { dependency: modelId, signal, endOf: (error) => endOfModelCall(scope, error), slowMs: slowModelCallMs }, () => payAndPerform(scope, execution, call, last, pass)),
  );
}

async function payAndPerform(scope: RunScope, execution: StepExecution, call: PreparedCall, last: LastTry, pass: LimiterPass): Promise<ModelAnswer> {
  const reservation = await reserveForCall(scope, execution, call.estimateMicroUsd);
  last.reservation = reservation;
  try {
    return await call.perform((limits) => pass.stated(limits));
  } catch (error) {
    if (!execution.signal.aborted && isUnbilled(error)) {
      await orAborted(execution.signal, () => scope.services.store.money.release(reservation.id));
      last.reservation = null;
    }
    throw error;
  }
}

function settled({ reservation }: LastTry, spentMicroUsd: number, tokens: number): readonly Write[] {
  return reservation === null ? [] : [settleWrite(reservation, spentMicroUsd, tokens)];
}

function successRecord(scope: RunScope, place: RecordPlace, call: PreparedCall | null, done: ModelAnswer, durationMs: number): Write {
  return recordWrite(scope, place, {
    event_type: "model_call",
    result: "success",
    duration_ms: Math.round(durationMs),
    tokens_used: totalTokens(done.usage),
    cost_micro_usd: done.costMicroUsd,
    simulated: call?.simulated ?? false,
    data: { model: call?.modelId ?? null, usage: { ...done.usage }, ...done.data },
  });
}

function failureRecord(scope: RunScope, place: RecordPlace, call: PreparedCall | null, error: unknown, durationMs: number): Write {
  if (isNotTried(error)) {
    const kind = isRefusedByBreaker(error) ? ({ event_type: "breaker" } as const) : ({ event_type: "park" } as const);
    return recordWrite(scope, place, { ...kind, result: "refused", simulated: call?.simulated ?? false, reason: messageOf(error), data: { ...error.details } });
  }
  return recordWrite(scope, place, {
    // What failed before there was a call (a tool server, a missing key) is not counted as one.
    event_type: call === null ? "error" : "model_call",
    result: "error",
    duration_ms: Math.round(durationMs),
    simulated: call?.simulated ?? false,
    reason: messageOf(error),
    data: { model: call?.modelId ?? null, code: isLonghaulError(error) ? error.code : null },
  });
}

function budgetRecord(scope: RunScope, place: RecordPlace, call: PreparedCall | null, error: unknown): Write {
  const data = isLonghaulError(error) ? error.details : {};
  return recordWrite(scope, place, { event_type: "budget", result: "refused", simulated: call?.simulated ?? false, reason: messageOf(error), data });
}

/** A provider whose calls take longer, of the 10 min that they may take, is as good as down. */
const slowModelCallMs = 300_000;

/** What a call says of the provider: whether it could have answered. */
function endOfModelCall({ worker }: RunScope, error: unknown): CallEnd {
  if (error === undefined) return "good";
  if (!isLonghaulError(error) || !error.code.startsWith("MODEL_")) return "none";
  if (error.code === "MODEL_TRANSIENT" || error.code === "MODEL_OVERLOADED" || error.code === "MODEL_UNKNOWN") return "bad";
  // An agent that waits for less than others do says nothing for them.
  if (error.code === "MODEL_TIMEOUT") return isImpatient(worker.limits.modelTimeouts) ? "none" : "bad";
  // It answered, if only that it would not.
  return "good";
}

function isImpatient({ firstChunkMs, betweenChunksMs, totalMs }: ModelTimeouts): boolean {
  return firstChunkMs < defaultModelTimeouts.firstChunkMs || betweenChunksMs < defaultModelTimeouts.betweenChunksMs || totalMs < defaultModelTimeouts.totalMs;
}

/** What a failed call waits for and how long; null when trying again cannot help. */
function toParked(error: unknown, round: number, call: PreparedCall | null, { breakers, clock, random }: RunServices): Parked | null {
  if (isRefusedByBreaker(error)) return parkedByBreaker(afterMsOf(error), random);
  if (isRefusedByLimiter(error)) return parkedByLimiter(error, random);
  if (isLonghaulError(error) && error.code === "BUDGET_EXCEEDED") {
    const { resetsAtMs } = error.details;
    return { parked: "budget", forMs: typeof resetsAtMs === "number" ? Math.max(1, resetsAtMs - clock.now()) : null, signal: budgetSignal, effectKey: null };
  }
  const advice = isLonghaulError(error) ? error.retry : "backoff";
  if (advice === "never") return null;
  const statedMs = advice === "backoff" ? 0 : advice.afterMs;
  if (statedMs > retryDefaults.parkAfterMs) return { parked: "rate-limit", forMs: statedMs, signal: null, effectKey: null };
  // Whoever saw it fail comes back with the others, when it works again.
  const refusedForMs = call === null ? null : breakers.refusedForMs(call.modelId);
  if (refusedForMs !== null) return parkedByBreaker(refusedForMs, random);
  return { parked: "retry", forMs: computeDurableRetryMs(round), signal: null, effectKey: null };
}
