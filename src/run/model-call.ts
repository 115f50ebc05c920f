import { orAborted } from "../base/abort.ts";
import { isLonghaulError, messageOf } from "../base/error.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { StepEnd, StepExecution } from "../engine/engine.ts";
import { inputTokensMax } from "../model/model-price.ts";
import { type AnswerListener, defaultModelTimeouts, type ModelTimeouts } from "../model/model.ts";
import type { CallEnd } from "../policy/breaker.ts";
import type { LimiterPass } from "../policy/limiter.ts";
import { dependencyOfModel } from "../policy/model-dependency.ts";
import { isNotTried, retryDefaults, withRetry } from "../policy/retry.ts";
import { limiterDefaults } from "../policy/scope.ts";
import { toFailure } from "../record/failure.ts";
import type { RecordFields } from "../record/log-record.ts";
import type { Message } from "../record/message.ts";
import { totalTokens, type Usage } from "../record/usage.ts";
import type { Write } from "../record/write.ts";
import type { Reservation } from "../store/store.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { isUnbilled, reserveForCall, settleWrite } from "./model-money.ts";
import { chainError, chainPatienceMs, describeStandIn, isForNextModel, parseStandIn, soonestOf, standInToJson } from "./model-chain.ts";
import { budgetSignal, computeDurableRetryMs, type Parked, parkedToJson, parseParked, waitParked } from "./parked.ts";
import { createRetryLog, placeOf, recordWrite, type RetryLog } from "./run-record.ts";
import type { RunScope, RunServices } from "./run-services.ts";
import { checkSpend } from "./spend-guard.ts";
import { isRefusedByBreaker, parkedByBreaker, parkedByRefusal, placeOfRefusal } from "./through-breaker.ts";
import { throughModelBreaker } from "./through-model-breaker.ts";
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
  /** Who asks for a turn. Default: the name. */
  readonly caller?: string;
  /** In the order in which they are asked; one, where no chain is declared. */
  readonly candidates: readonly Candidate[];
  /** Asked of a call whose signal aborted: true when its step goes on without the answer, so that the call is paid and on record all the same. Default: never. */
  readonly isGivenUp?: () => boolean;
}

export interface Candidate {
  /** As the definition names it. */
  readonly id: string;
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
  readonly perform: (listener: AnswerListener) => Promise<ModelAnswer>;
}

/**
 * One model call as durable steps: the money is set aside before, settled with the real cost in the step's own commit, and what cannot go on now
 * (budget, rate limit, an outage) parks the run instead of burning attempts.
 */
export async function callModel(scope: RunScope, plan: ModelCallPlan): Promise<Json> {
  let before: Parked | null = null;
  for (let failures = 0; ; ) {
    const round = failures + 1;
    const value = await scope.engine.step({ kind: "model", name: plan.name }, (execution) => withHeartbeat(scope, execution, plan.name, () => modelStep(scope, execution, plan, round)));
    const parked = parseParked(value);
    if (parked === null) {
      const { standIn, answer } = parseStandIn(value);
      if (standIn !== null) scope.standIns.push(standIn);
      return answer;
    }
    // Waiting for a budget or a rate limit is nobody's failure: only outages make the next wait longer.
    if (parked.parked === "retry") failures++;
    await waitParked(scope.engine, plan.name, parked, before);
    before = parked;
  }
}

/** What the tries of one model got to. */
interface Tried {
  call: PreparedCall | null;
  /** Of the last try. */
  reservation: Reservation | null;
  hasBegun: boolean;
}

/** A model that gave no answer. */
interface Failed extends Tried {
  readonly id: string;
  readonly error: unknown;
  readonly durationMs: number;
}

/** The end of a step that makes this call: what the call came to, or what it waits for (see parked.ts). `round`: how often it has waited for an outage to end, and one more. */
export async function modelStep(scope: RunScope, execution: StepExecution, plan: ModelCallPlan, round: number): Promise<StepEnd> {
  const { clock, random, quotas } = scope.services;
  const { signal } = execution;
  const log = createRetryLog(scope, placeOf(execution));
  const spending = await checkSpend(scope, signal);
  if (spending !== null) log.add(spending);
  const failed: Failed[] = [];
  for (const [index, candidate] of plan.candidates.entries()) {
    const hasNext = index < plan.candidates.length - 1;
    const last: Tried = { call: null, reservation: null, hasBegun: false };
    const startedMs = clock.monotonicMs();
    const sinceMs = (): number => clock.monotonicMs() - startedMs;
    try {
      const givesWay = (error: unknown, delayMs: number): boolean => hasNext && sinceMs() + delayMs > chainPatienceMs && isForNextModel(error, { isCalled: last.call !== null, hasBegun: last.hasBegun });
      const done = await withRetry({ clock, random, signal, onRetry: log.onRetry, givesWay, quota: () => (last.call === null ? null : quotas.of(last.call.modelId)) }, () => tryCall(scope, execution, plan.caller ?? plan.name, candidate, last));
      return answeredEnd(scope, execution, { done, last, durationMs: sinceMs() }, failed, log);
    } catch (error) {
      if (signal.aborted && plan.isGivenUp?.() !== true) throw error;
      failed.push({ ...last, id: last.call?.modelId ?? candidate.id, error, durationMs: sinceMs() });
      if (signal.aborted || !isForNextModel(error, { isCalled: last.call !== null, hasBegun: last.hasBegun })) break;
    }
  }
  return failedEnd(scope, execution, failed, round, log);
}

/** An answer is there. The money of those that failed before it is settled with it. */
function answeredEnd(scope: RunScope, execution: StepExecution, { done, last, durationMs }: { readonly done: ModelAnswer; readonly last: Tried; readonly durationMs: number }, failed: readonly Failed[], log: RetryLog): StepEnd {
  const [first] = failed;
  const standIn = first === undefined ? null : { from: first.id, to: last.call?.modelId ?? "", why: messageOf(failed.at(-1)?.error) };
  for (const model of failed) log.add(failureFields(model));
  if (standIn !== null) log.add({ event_type: "decision", result: "fallback", reason: describeStandIn(standIn), simulated: last.call?.simulated ?? false, data: { ...standIn } });
  const writes = [...settled(last, done.costMicroUsd ?? 0, totalTokens(done.usage)), ...failed.flatMap(settledAsFailed), ...done.writes, ...log.writes];
  const value = standIn === null ? done.value : standInToJson(standIn, done.value);
  return { outcome: { ok: true, value }, writes: [recordWrite(scope, placeOf(execution), successFields(last.call, done, durationMs)), ...writes] };
}

/** None answered: the run waits for the one that may be back first, or dies when there is nothing to wait for. */
function failedEnd(scope: RunScope, execution: StepExecution, failed: readonly Failed[], round: number, log: RetryLog): StepEnd {
  const parked = soonestOf(failed.map(({ error, call }) => toParked(error, round, call, scope.services)));
  for (const model of failed.slice(0, -1)) log.add(failureFields(model));
  const writes = [...failed.slice(-1).map((model) => recordWrite(scope, isRefusedByBreaker(model.error) ? placeOfRefusal(placeOf(execution), model.error) : placeOf(execution), failureFields(model))), ...failed.flatMap(settledAsFailed), ...log.writes];
  return { outcome: parked === null ? { ok: false, failure: toFailure(chainError(failed)) } : { ok: true, value: parkedToJson(parked) }, writes };
}

async function tryCall(scope: RunScope, execution: StepExecution, name: string, candidate: Candidate, last: Tried): Promise<ModelAnswer> {
  last.reservation = null;
  const call = await candidate.prepare(execution);
  last.call = call;
  const { modelId, account, provider, messages, outputTokensMax } = call;
  const { signal } = execution;
  const governed = { name, account, provider, model: modelId, concurrencyMax: limiterDefaults.modelConcurrency, inputTokens: inputTokensMax(messages), outputTokens: outputTokensMax, signal };
  // Before the breaker: whoever tries whether a provider works again does not wait for its turn then.
  return await throughLimiter(scope, governed, ({ usage }) => useOfAnswered(usage), (pass) =>
    throughModelBreaker(scope, { modelId, account, provider, signal, endOf: (error) => endOfModelCall(scope, error), slowMs: slowModelCallMs }, () => payAndPerform(scope, execution, call, last, pass)),
  );
}

async function payAndPerform(scope: RunScope, execution: StepExecution, call: PreparedCall, last: Tried, pass: LimiterPass): Promise<ModelAnswer> {
  const reservation = await reserveForCall(scope, execution, call.estimateMicroUsd);
  last.reservation = reservation;
  try {
    return await call.perform({ onContent: () => void (last.hasBegun = true), onLimits: (limits) => pass.stated(limits) });
  } catch (error) {
    if (!execution.signal.aborted && isUnbilled(error)) {
      await orAborted(execution.signal, () => scope.services.store.money.release(reservation.id));
      last.reservation = null;
    }
    throw error;
  }
}

function settled({ reservation }: Tried, spentMicroUsd: number, tokens: number): readonly Write[] {
  return reservation === null ? [] : [settleWrite(reservation, spentMicroUsd, tokens)];
}

function settledAsFailed(model: Failed): readonly Write[] {
  return settled(model, model.reservation?.amountMicroUsd ?? 0, 0);
}

function successFields(call: PreparedCall | null, done: ModelAnswer, durationMs: number): RecordFields {
  return {
    event_type: "model_call",
    result: "success",
    duration_ms: Math.round(durationMs),
    tokens_used: totalTokens(done.usage),
    cost_micro_usd: done.costMicroUsd,
    simulated: call?.simulated ?? false,
    data: { model: call?.modelId ?? null, usage: { ...done.usage }, ...done.data },
  };
}

function failureFields({ call, error, durationMs }: Failed): RecordFields {
  const simulated = call?.simulated ?? false;
  const reason = messageOf(error);
  if (isLonghaulError(error) && error.code === "BUDGET_EXCEEDED") return { event_type: "budget", result: "refused", simulated, reason, data: error.details };
  if (isNotTried(error)) {
    const kind = isRefusedByBreaker(error) ? ({ event_type: "breaker" } as const) : ({ event_type: "park" } as const);
    return { ...kind, result: "refused", simulated, reason, data: { ...error.details } };
  }
  return {
    // What failed before there was a call (a tool server, a missing key) is not counted as one.
    event_type: call === null ? "error" : "model_call",
    result: "error",
    duration_ms: Math.round(durationMs),
    simulated,
    reason,
    data: { model: call?.modelId ?? null, code: isLonghaulError(error) ? error.code : null },
  };
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
  if (isRefusedByBreaker(error)) return parkedByRefusal(error, random);
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
  const refusedForMs = call === null ? null : breakers.refusedForMs(dependencyOfModel(call));
  if (refusedForMs !== null) return parkedByBreaker(refusedForMs, random);
  return { parked: "retry", forMs: computeDurableRetryMs(round), signal: null, effectKey: null };
}
