import type { Duration } from "../base/duration.ts";
import type { DeadReason } from "../record/task.ts";
import type { Callable } from "./context.ts";

/** What a task would be dead of. */
export interface DeadTask {
  readonly reason: DeadReason;
  /** Of the error; null of one without. */
  readonly code: string | null;
  readonly message: string;
}

/** An earlier output of the same agent, made by `cached`. */
export interface CachedDefinition {
  readonly kind: "cached";
  readonly within: Duration;
}

/** What stands in for the output of a task that would be dead: an earlier output, another agent with the same input, or code. */
export type ResultFallback<Input, Output> = CachedDefinition | Callable | ((input: Input, dead: DeadTask) => Output | Promise<Output>);

/** Things that stand in for one agent's output. */
export const resultFallbacksMax = 5;

/** The last output of this agent for the same input that `verify` accepted, if it is not older than `within`. Looked for among its latest 200 tasks that are done. */
export function cached({ within }: { readonly within: Duration }): CachedDefinition {
  return { kind: "cached", within };
}
