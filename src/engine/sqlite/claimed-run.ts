import type { LoadedRun } from "../run-host.ts";
import type { StoredTask } from "./tasks.ts";

/** A run with a slot, and all that the file holds of it. */
export interface ClaimedRun extends LoadedRun {
  readonly task: StoredTask;
  /** lh_run.serial. */
  readonly runSerial: number;
  /** The code that it is about to go on with. */
  readonly codeVersion: string;
  /** Crashes that interrupted this run. */
  readonly recoveries: number;
  /** What it waits for in the file, by `keyOf`. */
  readonly waits: ReadonlySet<string>;
}
