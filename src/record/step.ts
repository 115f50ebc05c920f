import type { Json } from "../base/json.ts";
import { type Failure, parseFailure } from "./failure.ts";

/** Each method of ctx has a kind of its own, so that a call of one is never taken for a call of another. */
export type StepKind = "model" | "tool" | "code" | "transaction" | "note" | "send" | "publish" | "verify" | "wait" | "signal" | "child" | "compensate" | "compensation";

/** What a step came to: a value, or a failure kept as a value. */
export type StepOutcome = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly failure: Failure };

/** What a step is recognised by when a run is replayed: arguments are never compared. */
export interface StepIdentity {
  readonly kind: StepKind;
  readonly name: string;
  /** 1 for the first step of this kind and name in the run, 2 for the second. */
  readonly occurrence: number;
}

/**
 * A completed step, as the journal holds it. `number` is its own in the run, `seq` its place in completion order, both from 1. Numbers follow the order of
 * calls: a step has a higher one than those whose ends code knew when it asked, also where the code has changed meanwhile.
 */
export interface CompletedStep extends StepIdentity {
  readonly number: number;
  readonly seq: number;
  readonly attempt: number;
  readonly startedAtMs: number;
  readonly completedAtMs: number;
  readonly outcome: StepOutcome;
}

/** "model t3/model" or "code fetch #2". */
export function describeStep(step: StepIdentity): string {
  return `${step.kind} ${step.name}${step.occurrence > 1 ? ` #${step.occurrence}` : ""}`;
}

export function outcomeToJson(outcome: StepOutcome): Json {
  return outcome.ok ? { ok: true, value: outcome.value } : { ok: false, failure: outcome.failure as unknown as Json };
}

export function parseOutcome(stored: Json): StepOutcome {
  const fields = stored as { readonly ok?: Json; readonly value?: Json; readonly failure?: Json };
  return fields.ok === true ? { ok: true, value: fields.value ?? null } : { ok: false, failure: parseFailure(fields.failure ?? null) };
}
