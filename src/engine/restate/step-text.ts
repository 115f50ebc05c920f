import type { Json } from "../../base/json.ts";
import { parseOutcome, type StepIdentity, type StepKind } from "../../record/step.ts";
import { outcomeText, type EndedStep, type JournaledStep } from "../journaled-step.ts";

/**
 * A completed step as Restate's journal and PostgreSQL keep it, a list as JSON text: kind, name, occurrence, number, attempt, when it started, how many milliseconds it took, and
 * what it came to. Written once, for both.
 */
export interface StepText {
  /** All but the outcome: `["code","fetch",1,7,1,1790000000000,12,`. */
  readonly head: string;
  /** JSON. */
  readonly outcome: string;
}

export type StepFields = readonly [kind: StepKind, name: string, occurrence: number, number: number, attempt: number, startedAtMs: number, tookMs: number, outcome: Json];

export function textOf({ kind, name, occurrence, number, attempt, startedAtMs, completedAtMs, outcome }: EndedStep): StepText {
  return { head: `["${kind}",${JSON.stringify(name)},${occurrence},${number},${attempt},${startedAtMs},${completedAtMs - startedAtMs},`, outcome: outcomeText(outcome) };
}

export function joined({ head, outcome }: StepText): string {
  return `${head}${outcome}]`;
}

/** The list of a step whose outcome stands elsewhere. */
export function identityText({ kind, name, occurrence }: StepIdentity): string {
  return `["${kind}",${JSON.stringify(name)},${occurrence}]`;
}

export function stepFromFields([kind, name, occurrence, number, attempt, startedAtMs, tookMs, outcome]: StepFields): JournaledStep {
  return withBytes({ kind, name, occurrence, number, attempt, startedAtMs, completedAtMs: startedAtMs + tookMs, outcome: parseOutcome(outcome) });
}

export function withBytes(step: EndedStep): JournaledStep {
  return { ...step, outcomeBytes: Buffer.byteLength(outcomeText(step.outcome)) };
}

/** What a step comes to for code, when this is what is stored of it. A value was made plain JSON when its size was checked; a failure may hold more than is stored. */
export function asStored(step: EndedStep, { outcome }: StepText): JournaledStep {
  const outcomeBytes = Buffer.byteLength(outcome);
  return step.outcome.ok ? { ...step, outcomeBytes } : { ...step, outcome: parseOutcome(JSON.parse(outcome) as Json), outcomeBytes };
}
