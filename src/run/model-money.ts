import { orAborted } from "../base/abort.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import { formatUsd } from "../base/money.ts";
import type { StepExecution } from "../engine/engine.ts";
import type { Write } from "../record/write.ts";
import type { Reservation, ReserveAnswer } from "../store/store.ts";
import type { RunScope } from "./run-services.ts";

/*
 * The money of one model step. Each try has a reservation of its own:
 *  - a try that succeeded is settled with the real cost, in the step's commit;
 *  - one that was certainly not billed is given back at once;
 *  - of one whose bill nobody knows (a timeout, an answer that broke off, a crash) the whole amount counts.
 */

/** Sets the upper bound of one try aside. @throws {BUDGET_EXCEEDED} with what the ledger said in its details. */
export async function reserveForCall(scope: RunScope, execution: StepExecution, amountMicroUsd: number): Promise<Reservation> {
  const { engine, worker, services } = scope;
  const reservation: Reservation = {
    id: services.ids("m"),
    stepKey: execution.idempotencyKey,
    agent: worker.name,
    taskId: engine.task.id,
    atMs: services.clock.now(),
    amountMicroUsd,
    perTaskMicroUsd: worker.budget.perTaskMicroUsd,
    perDayMicroUsd: worker.budget.perDayMicroUsd,
  };
  const reserving = services.store.money.reserve(reservation);
  const answer = await orAborted(execution.signal, () => reserving).catch((error: unknown) => {
    giveBackWhenMade(scope, reservation, reserving);
    throw error;
  });
  if (!answer.ok) throw budgetError(scope, amountMicroUsd, answer);
  return reservation;
}

/** Nothing is called any more, and whoever stops does not wait: what is set aside after that is given back. */
function giveBackWhenMade({ services }: RunScope, { id }: Reservation, reserving: Promise<ReserveAnswer>): void {
  reserving.then((answer) => (answer.ok ? services.store.money.release(id) : undefined)).catch(() => undefined); // A store that is closed has nothing set aside for a call.
}

function budgetError(scope: RunScope, estimateMicroUsd: number, answer: Extract<ReserveAnswer, { ok: false }>): LonghaulError {
  const { limit, limitMicroUsd, usedMicroUsd, resetsAtMs } = answer;
  const what = limit === "task" ? "budget.perTask" : "budget.perDay";
  const next = resetsAtMs === null ? `Raise ${what} and start the team again.` : "It goes on when the UTC day ends.";
  const message = `${scope.worker.name}: this call can cost ${formatUsd(estimateMicroUsd)}; ${formatUsd(usedMicroUsd)} of ${what} ${formatUsd(limitMicroUsd)} are used. ${next}`;
  return new LonghaulError("BUDGET_EXCEEDED", message, { details: { limit, limitMicroUsd, usedMicroUsd, estimateMicroUsd, resetsAtMs } });
}

export function settleWrite(reservation: Reservation, spentMicroUsd: number, tokens: number): Write {
  return { type: "money.settle", reservationId: reservation.id, spentMicroUsd, tokens };
}

/** Connections that were never made. */
const unreachableCodes: readonly unknown[] = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT", "UNREACHABLE"];
/** A server that could not prove who it is was told nothing. */
const distrustCodes = /^(?:CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|ERR_TLS_CERT)/;

/** True when the provider cannot have billed the try: it answered with an error, or was never reached. */
export function isUnbilled(error: unknown): boolean {
  if (!isLonghaulError(error)) return false;
  const { status, networkCode, inputTokens } = error.details;
  // It came with status 200 and no answer, and says that the prompt was read.
  if (typeof inputTokens === "number") return false;
  if (typeof status === "number") return status >= 400;
  if (unreachableCodes.includes(networkCode) || (typeof networkCode === "string" && distrustCodes.test(networkCode))) return true;
  return error.code.startsWith("MODEL_") ? ["MODEL_AUTH", "MODEL_BILLING", "MODEL_INVALID", "MODEL_THROTTLED"].includes(error.code) : true;
}
