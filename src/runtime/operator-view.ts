import type { CompletedStep, } from "../record/step.ts";
import type { HealthVerdict } from "../record/health.ts";
import type { Task } from "../record/task.ts";
import type { TaskFilter } from "../engine/engine.ts";
import type { OperatorStore } from "../store/sqlite/operator.ts";
import type { Manifest } from "./manifest.ts";

/** What an operator reads, whether the team runs or not. It never writes and never makes the team wait. */
export interface OperatorView {
  readonly store: OperatorStore;
  manifest(): Promise<Manifest | null>;
  tasks(filter: TaskFilter): Promise<readonly Task[]>;
  task(taskId: string): Promise<Task | null>;
  /** The task of a run, null when there is no such run. */
  taskOfRun(runId: string): Promise<Task | null>;
  steps(runId: string): Promise<readonly CompletedStep[]>;
  /** When the owner of the data directory last said that it lives; null when nobody owns it. */
  owner(): Promise<{ readonly pid: number; readonly renewedAtMs: number; readonly alive: boolean } | null>;
  health(nowMs: number): Promise<readonly HealthVerdict[]>;
  close(): void;
}
