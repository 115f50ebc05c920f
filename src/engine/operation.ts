import type { StepIdentity } from "../record/step.ts";
import type { NewTask } from "../record/task.ts";
import type { ChildGate, StepBody, Transaction, WaitSpec } from "./engine.ts";
import type { Json } from "../base/json.ts";

/** What durable code asked for. */
export type Request =
  | { readonly type: "step"; readonly body: StepBody }
  | { readonly type: "transaction"; readonly body: (tx: Transaction) => Promise<Json> }
  | { readonly type: "wait"; readonly spec: WaitSpec; readonly requestedAtMs: number }
  | { readonly type: "child"; readonly task: NewTask; readonly gate: ChildGate | null };

/**
 * A step that durable code awaits.
 * held: not begun, because the journal is still being replayed or the run is about to stop. busy: its body executes or its end is being committed.
 * waiting: a durable wait is in the file. ended: its end is in the file and will be delivered, or never will because the run is not current.
 */
export interface Operation {
  readonly identity: StepIdentity;
  /** `keyOf` of its identity. */
  readonly key: string;
  /** Its own in the run. */
  readonly number: number;
  readonly request: Request;
  readonly resolve: (value: Json) => void;
  readonly reject: (error: Error) => void;
  state: "held" | "busy" | "waiting" | "ended";
}

/** `waiting`: a durable wait is stored. `ended`: the step's end is stored, or the run is not current any more. */
export type Performed = "waiting" | "ended";
