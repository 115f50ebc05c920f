import type { StoredReservation } from "../file-state.ts";
import { eventsOf, groupBy } from "../world.ts";
import type { Invariant } from "./story-facts.ts";

/** The money that counts is what providers billed, or more where nobody could know the bill: never less, call by call. */
export const everyBillCounts: Invariant = ({ log, file }) => {
  const reservations = groupBy(file.reservations, ({ stepKey }) => stepKey);
  return [...groupBy(eventsOf(log, "billed"), ({ key }) => key)].flatMap(([key, bills]) => {
    const counted = sum((reservations.get(key) ?? []).map(({ countedMicroUsd }) => countedMicroUsd));
    const billed = sum(bills.map(({ microUsd }) => microUsd));
    return billed > counted ? [`model call ${key} was billed ${billed} micro-dollars and counts ${counted}`] : [];
  });
};

/** What is counted beyond the bills is what was set aside for calls whose bill nobody knew; and such calls there are only where something was interrupted, or was called again. */
export const nothingElseCounts: Invariant = ({ log, file }) => {
  const bills = groupBy(eventsOf(log, "billed"), ({ key }) => key);
  const disturbed = log.some(({ type }) => type === "crashed" || type === "drained" || type === "filled") || file.tasks.some(({ status }) => status === "canceled");
  return [...groupBy(file.reservations, ({ stepKey }) => stepKey)].flatMap(([key, reservations]) => {
    const billed = sum((bills.get(key) ?? []).map(({ microUsd }) => microUsd));
    const unknown = sum(reservations.filter(isUnknown).map(({ amountMicroUsd }) => amountMicroUsd));
    const counted = sum(reservations.map(({ countedMicroUsd }) => countedMicroUsd));
    const isLost = reservations.some(({ state }) => state === "lost");
    return [
      ...(counted > billed + unknown ? [`model call ${key} counts ${counted} micro-dollars, was billed ${billed}, and ${unknown} were set aside for calls with no bill`] : []),
      ...(isLost && !disturbed && (bills.get(key)?.length ?? 0) <= 1 ? [`money of ${key} was lost although nothing was interrupted`] : []),
    ];
  });
};

/** The receipts (records of model calls that succeeded) and the ledger agree: each has a settled reservation of its cost. */
export const receiptsAreSettled: Invariant = ({ file }) => {
  const receipts = file.records.filter(({ eventType, result }) => eventType === "model_call" && result === "success");
  const settled = file.reservations.filter(({ state }) => state === "settled");
  const receiptsByTask = groupBy(receipts, ({ taskId }) => String(taskId));
  return [...receiptsByTask].flatMap(([taskId, ofTask]) => {
    const left = settled.filter((reservation) => reservation.taskId === taskId).map(({ countedMicroUsd }) => countedMicroUsd);
    return ofTask.flatMap(({ id, costMicroUsd }) => {
      const index = left.indexOf(costMicroUsd ?? 0);
      if (index === -1) return [`receipt ${id} of ${costMicroUsd ?? 0} micro-dollars has no settled reservation`];
      left.splice(index, 1);
      return [];
    });
  });
};

/** The running totals are the sums of what they total, and nothing stays set aside. */
export const totalsAdd: Invariant = ({ file }) => {
  const { reservations, taskMoney, dayMoney } = file;
  const tasks = taskMoney.flatMap(({ taskId, countedMicroUsd }) => differ(`task ${taskId}`, countedMicroUsd, reservations.filter((reservation) => reservation.taskId === taskId)));
  const days = dayMoney.flatMap(({ agent, day, countedMicroUsd }) => differ(`${agent} on day ${day}`, countedMicroUsd, reservations.filter((reservation) => reservation.agent === agent && reservation.day === day)));
  const open = reservations.filter(({ state }) => state === "open").map(({ stepKey }) => `the money of ${stepKey} is still set aside`);
  return [...tasks, ...days, ...open];
};

/** Lost, or settled with all that was set aside because the call failed and might be billed. */
function isUnknown({ state, countedMicroUsd, amountMicroUsd }: StoredReservation): boolean {
  return state === "lost" || (state === "settled" && countedMicroUsd === amountMicroUsd);
}

function differ(whose: string, total: number, reservations: readonly { readonly countedMicroUsd: number }[]): readonly string[] {
  const counted = sum(reservations.map(({ countedMicroUsd }) => countedMicroUsd));
  return total === counted ? [] : [`the total of ${whose} is ${total} micro-dollars; its calls count ${counted}`];
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
