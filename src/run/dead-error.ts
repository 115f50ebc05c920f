import type { ErrorCode } from "../base/error-code.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import type { RunEnd } from "../engine/engine.ts";
import { type Failure, toFailure } from "../record/failure.ts";
import type { DeadReason } from "../record/task.ts";

/** Ends a run as dead with this reason. */
export function deadError(reason: DeadReason, message: string, evidence: Json = null): LonghaulError {
  return new LonghaulError("TASK_DEAD", message, { details: { deadReason: reason, evidence } });
}

/** True for what `deadError` made, also when it comes out of the journal. The death of a called task is not that of its caller. */
export function isDeadError(error: unknown): error is LonghaulError {
  return isLonghaulError(error) && error.code === "TASK_DEAD" && error.details["deadReason"] !== undefined;
}

/** What an error of this code says about the task that it ends. Any other is `failed`. */
const reasonOfCode: Readonly<Partial<Record<ErrorCode, DeadReason>>> = {
  TASK_INPUT_INVALID: "invalid-input",
  OUTCOME_NOT_ACCEPTED: "not-accepted",
  TASK_OUTPUT_INVALID: "invalid-output",
  FAN_OUT_LIMIT: "fan-out",
  MODEL_AUTH: "auth",
  MCP_UNAUTHORIZED: "auth",
  MODEL_BILLING: "billing",
  MODEL_CONTENT_FILTER: "refused",
  MODEL_CONTEXT_OVERFLOW: "context-overflow",
};

/** The end of a run whose code threw. */
export function deadEnd(error: unknown): RunEnd {
  const failure = toFailure(error);
  // From the error itself: what a failure keeps of details is cut.
  const evidence = failure.details["deadReason"] !== undefined && isLonghaulError(error) ? error.details["evidence"] : undefined;
  return { end: { status: "dead", reason: reasonOf(failure), failure, evidence: evidence ?? null } };
}

function reasonOf({ code, details }: Failure): DeadReason {
  const stated = details["deadReason"];
  if (typeof stated === "string") return stated as DeadReason;
  return reasonOfCode[code as ErrorCode] ?? "failed";
}
