import type { Failure } from "./failure.ts";

/** One run of a task: the heading of its journal. */
export interface Run {
  readonly id: string;
  readonly taskId: string;
  /** 1 for the first run of its task. */
  readonly number: number;
  readonly agentVersion: string;
  /** The version of the run loop that named its steps. */
  readonly loopVersion: number;
  /** The run whose steps its journal begins with; null when it began at a first step of its own. */
  readonly fromRunId: string | null;
  /** Why the code could not go on with it when that was last tried; null when it always could. */
  readonly mismatch: Failure | null;
}
