import type { Json } from "../../src/base/json.ts";
import type { Effect } from "../../src/tool/tool.ts";

/**
 * What the outside of a team saw, in order. A crash undoes nothing of it: what a tool did is done, what somebody was told is known.
 * `key` is the idempotency key of a step, `<run>/<kind>/<name>/<occurrence>`, which is also how the journal names it.
 */
export type WorldEvent = { readonly session: number } & (
  | { readonly type: "opened"; readonly atMs: number; readonly journaled: readonly string[]; readonly recoveries: number }
  | { readonly type: "crashed"; readonly atMs: number }
  /** With a full disk, what executes at the end of a drain is left as a crash would leave it. */
  | { readonly type: "drained"; readonly atMs: number; readonly running: number; readonly recoveries: number; readonly isFull: boolean }
  /** The wall clock was set; the disk became full. */
  | { readonly type: "stepped"; readonly byMs: number }
  | { readonly type: "filled" }
  /** The body of a step is entered, and left. */
  | { readonly type: "began"; readonly key: string }
  | { readonly type: "ended"; readonly key: string }
  /** Durable code was given the outcome of a step. */
  | { readonly type: "observed"; readonly runId: string; readonly key: string; readonly value: string }
  /** A tool is called; what it is for happens; it is asked whether it happened. */
  | ({ readonly type: "called" } & ToolCall)
  | ({ readonly type: "happened" } & ToolCall)
  | { readonly type: "reconciled"; readonly key: string; readonly happened: boolean }
  /** A human says what is to become of a call whose outcome nobody knows. */
  | { readonly type: "decided"; readonly key: string; readonly decision: "happened" | "retry" }
  /** A provider answers a model call and puts it on the bill. */
  | { readonly type: "billed"; readonly key: string; readonly microUsd: number }
  /** Durable code was told that this task exists. */
  | { readonly type: "started"; readonly taskId: string; readonly by: string }
  /** A client's request was acknowledged. */
  | { readonly type: "acted"; readonly action: string; readonly result: Json; readonly atMs: number }
);

interface ToolCall {
  readonly tool: string;
  readonly effect: Effect;
  readonly key: string;
  readonly input: string;
}

export type EventType = WorldEvent["type"];
export type EventOf<Type extends EventType> = Extract<WorldEvent, { readonly type: Type }>;

/** What somebody else may not see of an event: which life of the process it belongs to is added by the outside of that life. */
export type Seen = WorldEvent extends infer Event ? (Event extends WorldEvent ? Omit<Event, "session"> : never) : never;

export function eventsOf<Type extends EventType>(log: readonly WorldEvent[], ...types: readonly Type[]): readonly EventOf<Type>[] {
  return log.filter((event): event is EventOf<Type> => (types as readonly EventType[]).includes(event.type));
}

export function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): ReadonlyMap<string, readonly Item[]> {
  return Map.groupBy(items, keyOf);
}
