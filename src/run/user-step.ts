import { withDeadline } from "../base/deadline.ts";
import { formatDuration } from "../base/duration.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import type { StepEnd, StepExecution } from "../engine/engine.ts";
import { retryDefaults, withRetry } from "../policy/retry.ts";
import { toFailure } from "../record/failure.ts";
import type { RecordFields } from "../record/log-record.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { createRetryLog, placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

export interface UserStepPlan {
  /** Names it in messages: `ctx.step("fetch")`. */
  readonly what: string;
  /** Of one attempt. Default 10 min. */
  readonly timeoutMs?: number;
  /** What sets it. Default "timeout". */
  readonly option?: string;
  /** Default 3. */
  readonly attemptsMax?: number;
}

export interface UserStepResult {
  readonly value: Json;
  readonly record?: RecordFields;
}

const defaultTimeoutMs = 600_000;

/** The body of a step that runs the user's code: tried again when it throws, ended when it hangs. Retries and a failure leave records. */
export async function runUserStep(scope: RunScope, execution: StepExecution, plan: UserStepPlan, body: (signal: AbortSignal) => Promise<UserStepResult>): Promise<StepEnd> {
  const { what, timeoutMs = defaultTimeoutMs, option = "timeout", attemptsMax = retryDefaults.attemptsMax } = plan;
  const { clock, random } = scope.services;
  const { signal } = execution;
  const place = placeOf(execution);
  const retries = createRetryLog(scope, place);
  const onTimeout = (): Error =>
    new LonghaulError("STEP_TIMEOUT", `${what} took longer than its ${option} of ${formatDuration(timeoutMs)}. Raise that, or make it smaller.`, { retry: "backoff", details: { limit: option, limitMs: timeoutMs } });
  try {
    const attempts = (): Promise<UserStepResult> => withRetry({ clock, random, signal, attemptsMax, onRetry: retries.onRetry }, () => withDeadline({ clock, timeoutMs, onTimeout, signal }, body));
    const { value, record } = await withHeartbeat(scope, execution, what, attempts);
    return { outcome: { ok: true, value }, writes: [...(record === undefined ? [] : [recordWrite(scope, place, record)]), ...retries.writes] };
  } catch (error) {
    if (signal.aborted) throw error;
    const record = recordWrite(scope, place, { event_type: "error", result: "error", reason: `${what}: ${messageOf(error)}`, data: { code: isLonghaulError(error) ? error.code : null } });
    return { outcome: { ok: false, failure: toFailure(error) }, writes: [record, ...retries.writes] };
  }
}
