import type { FileState } from "../file-state.ts";
import type { Action } from "../scenario.ts";
import type { WorldEvent } from "../world.ts";

/** What an invariant judges: all that the outside saw, and what the file holds. */
export interface StoryFacts {
  readonly log: readonly WorldEvent[];
  readonly file: FileState;
  readonly actions: readonly Action[];
}

/** Finds what breaks one promise; empty when it is kept. */
export type Invariant = (facts: StoryFacts) => readonly string[];
