import type { Json } from "../../base/json.ts";
import { parseOutcome, type StepIdentity, type StepKind } from "../../record/step.ts";
import { outcomeText, type EndedStep, type JournaledStep } from "../journaled-step.ts";

/**
 * A completed step as Restate's journal and PostgreSQL keep it, a list as JSON text: kind, name, occurrence, number, attempt, when it started, how many milliseconds it took, and
 * what it came to. Written once, for both.
 */
export interface StepText {
  /** `["code","fetch",1,7,1,1790000000000,12,{"ok":true,"value":"page"}]` */
  readonly list: string;
  /** The place of the outcome in it, which is JSON and the last. */
  readonly outcomeAt: number;
}

export type StepFields = readonly [kind: StepKind, name: string, occurrence: number, number: number, attempt: number, startedAtMs: number, tookMs: number, outcome: Json];

export function textOf({ kind, name, occurrence, number, attempt, startedAtMs, completedAtMs, outcome }: EndedStep): StepText {
  const head = `["${kind}",${JSON.stringify(name)},${occurrence},${number},${attempt},${startedAtMs},${completedAtMs - startedAtMs},`;
  return { list: `${head}${outcomeText(outcome)}]`, outcomeAt: head.length };
}

export function outcomeOf({ list, outcomeAt }: StepText): string {
  return list.slice(outcomeAt, -1);
}

/** The list with another text of the outcome. */
export function withOutcome({ list, outcomeAt }: StepText, outcome: string): string {
  return `${list.slice(0, outcomeAt)}${outcome}]`;
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
export function asStored({ kind, name, occurrence, number, attempt, startedAtMs, completedAtMs, outcome }: EndedStep, text: StepText): JournaledStep {
  const stored = outcomeOf(text);
  return {
    kind, name, occurrence, number, attempt, startedAtMs, completedAtMs,
    outcome: outcome.ok ? outcome : parseOutcome(JSON.parse(stored) as Json),
    outcomeBytes: Buffer.byteLength(stored),
  };
}
