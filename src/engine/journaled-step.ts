import { outcomeToJson, type CompletedStep, type StepIdentity, type StepOutcome } from "../record/step.ts";

/** Version of the journal's entries and of the order in which they are delivered. A run of another one is parked: nothing of it is guessed. */
export const journalFormat = 1;

/** A step that is about to be journaled: its place in the journal is not known yet. */
export type EndedStep = Omit<CompletedStep, "seq">;

/** A step that was journaled, and how many bytes its outcome takes when it is read back. */
export interface JournaledStep extends EndedStep {
  readonly outcomeBytes: number;
}

/** What is served instead of executing; with its times where a step of this engine came to it. */
export interface SeededOutcome {
  readonly outcome: StepOutcome;
  readonly startedAtMs: number | null;
  readonly completedAtMs: number | null;
}

/** What a step is found by in maps. */
export function keyOf({ kind, name, occurrence }: StepIdentity): string {
  return `${kind}/${name}/${occurrence}`;
}

/** The numbers of steps that are stored. */
export function numbersOf(...stored: readonly Iterable<StepIdentity & { readonly number: number }>[]): ReadonlyMap<string, number> {
  return new Map(stored.flatMap((steps) => [...steps].map((step) => [keyOf(step), step.number])));
}

/** What the journal keeps of an outcome. */
export function outcomeText(outcome: StepOutcome): string {
  return JSON.stringify(outcomeToJson(outcome));
}
