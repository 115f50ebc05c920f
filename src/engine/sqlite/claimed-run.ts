import type { CompletedStep, StepOutcome } from "../../record/step.ts";
import type { StoredTask } from "./tasks.ts";
import type { StoredWait } from "./waits.ts";

/** A run with a slot, and all that the file holds of it. */
export interface ClaimedRun {
  readonly task: StoredTask;
  readonly runId: string;
  /** lh_run.serial. */
  readonly runSerial: number;
  readonly agentVersion: string;
  readonly startedAtMs: number;
  /** Crashes that interrupted this run. */
  readonly recoveries: number;
  /** The version of its journal. */
  readonly format: number;
  readonly journal: readonly CompletedStep[];
  readonly waits: ReadonlyMap<string, StoredWait>;
  readonly seed: ReadonlyMap<string, StepOutcome>;
}
