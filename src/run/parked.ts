import { isJsonObject, type Json } from "../base/json.ts";
import type { CompletedStep } from "../record/step.ts";
import type { WaitingReason } from "../record/task.ts";

/** A step that could not go on now: its run waits and the step is made again. Kept in the journal as the step's value. */
export interface Parked {
  readonly parked: WaitingReason;
  /** Null: only a signal ends the wait. */
  readonly forMs: number | null;
  readonly signal: string | null;
  /** Of an unknown effect: its key in the ledger, which stays the same when the call is made again. */
  readonly effectKey: string | null;
}

/** What begins the names of signals that only Longhaul sends: durable code cannot wait for them. */
export const ownSignalPrefix = "longhaul:";
/** Wakes a run that waits for a budget. */
export const budgetSignal = `${ownSignalPrefix}budget`;

/** Waits between durable retries after the ones in process are used up: 1, 5, 25, 60 minutes, then 4 hours each. */
const durableRetryMs = [60_000, 300_000, 1_500_000, 3_600_000, 14_400_000] as const;

/** How long to wait before durable retry `round` (from 1). */
export function computeDurableRetryMs(round: number): number {
  return durableRetryMs[Math.min(round, durableRetryMs.length) - 1] ?? 14_400_000;
}

export function parkedToJson({ parked, forMs, signal, effectKey }: Parked): Json {
  return { parked, forMs, signal, effectKey };
}

export function parseParked(value: Json): Parked | null {
  if (!isJsonObject(value) || typeof value["parked"] !== "string") return null;
  const { forMs, signal, effectKey } = value;
  return {
    parked: value["parked"] as WaitingReason,
    forMs: typeof forMs === "number" ? forMs : null,
    signal: typeof signal === "string" ? signal : null,
    effectKey: typeof effectKey === "string" ? effectKey : null,
  };
}

/** What durable code notes a human's word under, behind the name of the call. */
export const decidedSuffix = "/decided";

/** The word of a person about the nth of the questions that a call asked under this name; undefined while there is none. */
export function decisionOn(steps: readonly CompletedStep[], asked: CompletedStep): CompletedStep | undefined {
  const before = steps.filter((step) => step.name === asked.name && step.occurrence < asked.occurrence && isQuestion(step)).length;
  return steps.find(({ kind, name, occurrence }) => kind === "code" && name === `${asked.name}${decidedSuffix}` && occurrence === before + 1);
}

/** True for a call that came to a question: whether it happened. */
export function isQuestion({ kind, outcome }: CompletedStep): boolean {
  return kind === "tool" && outcome.ok && parseParked(outcome.value)?.parked === "unknown-effect";
}

/** The signals by which calls wait for a human's word, of a run's completed steps: also of steps that were taken in another run and served in this one. */
export function listOpenDecisions(steps: readonly CompletedStep[]): readonly string[] {
  const open = steps.filter((step) => isQuestion(step) && decisionOn(steps, step) === undefined);
  return open.flatMap(({ outcome }) => (outcome.ok ? [parseParked(outcome.value)?.signal] : [])).filter((signal) => typeof signal === "string");
}
