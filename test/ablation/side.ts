import type { Life } from "./life.ts";
import type { ArrivingTask } from "./plan.ts";

/** What a side says became of a task at the end of the story. */
export type Fate =
  /** It says that the task is done, with this answer. */
  | { readonly fate: "done"; readonly answer: string }
  /** It has the task and has not done it: it waits, or somebody put it aside. */
  | { readonly fate: "open" | "dead"; readonly reason: string };

/** One side of the comparison: what works off the tasks, over as many lives of its process as it takes. */
export interface Side {
  /** A task has come into the inbox, which is a table that outlives processes. */
  arrive(task: ArrivingTask): void;
  /** A process starts. */
  begin(life: Life): Promise<void>;
  /** SIGTERM: the process may end in an orderly way. Resolves when it has. */
  stop(): Promise<void>;
  /** The process is dead, however it died. */
  afterDeath(): void;
  /** Tasks that the side holds for over by now, in whatever way, and when it did. */
  over(): ReadonlyMap<string, number>;
  /** Sets a task aside: nobody takes it any more. False when the side has no use for it. */
  setAside(taskId: string): boolean;
  /** At the end of the story. */
  fates(): Promise<ReadonlyMap<string, Fate>>;
}
