import type { LonghaulError } from "../../base/error.ts";
import type { JournaledStep, SeededOutcome } from "./journal.ts";
import type { StoredTask } from "./tasks.ts";
import type { StoredWait } from "./waits.ts";

/** A run with a slot, and all that the file holds of it. */
export interface ClaimedRun {
  readonly task: StoredTask;
  readonly runId: string;
  /** lh_run.serial. */
  readonly runSerial: number;
  /** The code that it is about to go on with. */
  readonly codeVersion: string;
  /** Why that code cannot understand its journal; null when it can. */
  readonly mismatch: LonghaulError | null;
  /** The run whose id its chance is drawn from. */
  readonly randomRunId: string;
  /** The run whose id begins the idempotency keys of its steps. */
  readonly keyRunId: string;
  readonly startedAtMs: number;
  /** Crashes that interrupted this run. */
  readonly recoveries: number;
  readonly journal: readonly JournaledStep[];
  readonly waits: ReadonlyMap<string, StoredWait>;
  /** In the order in which they are served. */
  readonly seed: ReadonlyMap<string, SeededOutcome>;
}
