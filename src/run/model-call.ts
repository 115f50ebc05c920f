import { isLonghaulError, messageOf } from "../base/error.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { StepEnd, StepExecution } from "../engine/engine.ts";
import { formatUsd } from "../base/money.ts";
import { toFailure } from "../record/failure.ts";
import { totalTokens, type Usage } from "../record/usage.ts";
import type { Write } from "../record/write.ts";
import type { Reservation, ReserveAnswer } from "../store/store.ts";
import { withRetry } from "../policy/retry.ts";
import { computeDurableRetryMs, type Parked, parkedToJson, parseParked } from "./parked.ts";
import { type RecordPlace, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

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
  readonly simulated: boolean;
  readonly estimateMicroUsd: number;
  readonly perform: () => Promise<ModelAnswer>;
}

/**
 * One model call as durable steps: the money is set aside before, settled with the real cost in the step's own commit, and what cannot go on now
 * (budget, rate limit, an outage) parks the run instead of burning attempts.
 */
export async function callModel(scope: RunScope, plan: ModelCallPlan): Promise<Json> {
  for (let round = 1; ; round++) {
    const value = await scope.engine.step({ kind: "model", name: plan.name }, (execution) => modelStep(scope, execution, plan, round));
    const parked = parseParked(value);
    if (parked === null) return value;
    await scope.engine.wait({
      name: `${plan.name}/parked`,
      reason: parked.parked,
      ...(parked.forMs === null ? {} : { timeoutMs: parked.forMs }),
      ...(parked.signal === null ? {} : { signal: parked.signal }),
    });
  }
}

async function modelStep(scope: RunScope, execution: StepExecution, plan: ModelCallPlan, round: number): Promise<StepEnd> {
  const { services } = scope;
  const place: RecordPlace = { step: execution.number, n: 0, attempt: execution.attempt };
  const call = await plan.prepare(execution);
  const reservation = toReservation(scope, execution, call.estimateMicroUsd);
  const answer = await services.store.money.reserve(reservation);
  if (!answer.ok) return parkForBudget(scope, place, call, answer);

  const startedMs = services.clock.monotonicMs();
  const retries: Write[] = [];
  try {
    const done = await withRetry(
      {
        clock: services.clock,
        random: services.random,
        signal: execution.signal,
        onRetry: ({ attempt, delayMs, error }) => {
          retries.push(recordWrite(scope, { ...place, n: retries.length + 1 }, { event_type: "retry", result: "retry", reason: String(error instanceof Error ? error.message : error), data: { attempt, delayMs } }));
        },
      },
      call.perform,
    );
    return { outcome: { ok: true, value: done.value }, writes: [successRecord(scope, place, call, done, services.clock.monotonicMs() - startedMs), settle(reservation, done), ...done.writes, ...retries] };
  } catch (error) {
    if (execution.signal.aborted) throw error;
    await services.store.money.release(reservation.id);
    const record = failureRecord(scope, place, call, error, services.clock.monotonicMs() - startedMs);
    const parked = toParked(error, round);
    return { outcome: parked === null ? { ok: false, failure: toFailure(error) } : { ok: true, value: parkedToJson(parked) }, writes: [record, ...retries] };
  }
}

function toReservation(scope: RunScope, execution: StepExecution, amountMicroUsd: number): Reservation {
  const { engine, worker, services } = scope;
  return {
    id: services.ids("m"),
    stepKey: execution.idempotencyKey,
    agent: worker.name,
    taskId: engine.task.id,
    atMs: services.clock.now(),
    amountMicroUsd,
    perTaskMicroUsd: worker.budget.perTaskMicroUsd,
    perDayMicroUsd: worker.budget.perDayMicroUsd,
  };
}

/** The signal that wakes a run which waits for a budget. */
const budgetSignal = "budget";

function parkForBudget(scope: RunScope, place: RecordPlace, call: PreparedCall, answer: Extract<ReserveAnswer, { ok: false }>): StepEnd {
  const { worker, services } = scope;
  const forMs = answer.resetsAtMs === null ? null : Math.max(1, answer.resetsAtMs - services.clock.now());
  const what = answer.limit === "task" ? "budget.perTask" : "budget.perDay";
  const record = recordWrite(scope, place, {
    event_type: "budget",
    result: "refused",
    simulated: call.simulated,
    reason: `${worker.name}: this call can cost ${formatUsd(call.estimateMicroUsd)}; ${formatUsd(answer.usedMicroUsd)} of ${what} ${formatUsd(answer.limitMicroUsd)} are used. ${forMs === null ? `Raise ${what} and start the team again.` : "It goes on when the UTC day ends."}`,
    data: { limit: answer.limit, limitMicroUsd: answer.limitMicroUsd, usedMicroUsd: answer.usedMicroUsd, estimateMicroUsd: call.estimateMicroUsd },
  });
  return { outcome: { ok: true, value: parkedToJson({ parked: "budget", forMs, signal: budgetSignal }) }, writes: [record] };
}

const unpriced = "No price is known for this model: budgets do not count the call. Declare one with endpoint({ prices }).";

function settle(reservation: Reservation, done: ModelAnswer): Write {
  return { type: "money.settle", reservationId: reservation.id, spentMicroUsd: done.costMicroUsd ?? 0, tokens: totalTokens(done.usage) };
}

function successRecord(scope: RunScope, place: RecordPlace, call: PreparedCall, done: ModelAnswer, durationMs: number): Write {
  return recordWrite(scope, place, {
    event_type: "model_call",
    result: "success",
    duration_ms: Math.round(durationMs),
    tokens_used: totalTokens(done.usage),
    cost_micro_usd: done.costMicroUsd,
    simulated: call.simulated,
    reason: done.costMicroUsd === null ? unpriced : null,
    data: { model: call.modelId, usage: { ...done.usage }, ...done.data },
  });
}

function failureRecord(scope: RunScope, place: RecordPlace, call: PreparedCall, error: unknown, durationMs: number): Write {
  return recordWrite(scope, place, {
    event_type: "model_call",
    result: "error",
    duration_ms: Math.round(durationMs),
    simulated: call.simulated,
    reason: messageOf(error),
    data: { model: call.modelId, code: isLonghaulError(error) ? error.code : null },
  });
}

/** Whether a failed call waits for better times, and how long; null when trying again cannot help. */
function toParked(error: unknown, round: number): Parked | null {
  const advice = isLonghaulError(error) ? error.retry : "backoff";
  if (advice === "never") return null;
  if (advice === "backoff") return { parked: "retry", forMs: computeDurableRetryMs(round), signal: null };
  return { parked: "rate-limit", forMs: advice.afterMs, signal: null };
}
