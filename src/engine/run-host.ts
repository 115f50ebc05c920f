import type { LonghaulError } from "../base/error.ts";
import type { DeadReason, WaitingReason } from "../record/task.ts";
import type { NearLimit, RunEnd } from "./engine.ts";
import type { JournaledStep, SeededOutcome } from "./journaled-step.ts";
import type { Operation, Performed } from "./operation.ts";
import type { TaskState } from "./task-rules.ts";

/** A run with a slot, and all that is stored of it, as its code needs it. */
export interface LoadedRun {
  readonly task: TaskState;
  readonly runId: string;
  readonly startedAtMs: number;
  /** When it was made, of one that was forked from another: nothing that it waits for counts from before. One that goes on after a skip has that of the run before it. */
  readonly begunAtMs: number;
  /** The run whose id its chance is drawn from. */
  readonly randomRunId: string;
  /** The run whose id begins the idempotency keys of its steps. */
  readonly keyRunId: string;
  /** Why the code cannot understand its journal; null when it can. */
  readonly mismatch: LonghaulError | null;
  readonly journal: readonly JournaledStep[];
  /** Of the steps that were completed or awaited when the run was loaded, by `keyOf`. */
  readonly numbers: ReadonlyMap<string, number>;
  /** In the order in which they are served. */
  readonly seed: ReadonlyMap<string, SeededOutcome>;
}

/**
 * What an engine does for one run that is in memory. Each exit is one commit that resolves to true, or to false when something was journaled meanwhile
 * and the run has to go on instead.
 */
export interface RunHost {
  /** True for a wait that is stored already: it is not asked for again. */
  isStored(operation: Operation): boolean;
  /** Does what code asked for, up to and including its commit. Called in call order, and begins before it returns. */
  perform(operation: Operation, seeded: SeededOutcome | undefined): Promise<Performed>;
  suspend(reason: WaitingReason, deliveredCount: number): Promise<boolean>;
  release(): Promise<boolean>;
  park(error: Error): Promise<boolean>;
  end(end: RunEnd): Promise<boolean>;
  fail(reason: DeadReason, error: unknown): Promise<boolean>;
  announce(nearLimit: NearLimit): Promise<void>;
  /** True for a refusal that no later try changes. */
  isFinal(error: unknown): boolean;
  /** The run cannot be kept in memory: its store is lost, or a bug keeps it from any exit. It is recovered later. */
  lose(error: unknown): void;
  /** Code and journal are at rest: nothing happens until a body, a wait or a timer does something. */
  rest?(): void;
}
