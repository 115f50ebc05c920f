import type { TeamDefinition } from "longhaul";
import type { VirtualClock } from "../../src/base/virtual-clock.ts";
import type { OperatorView } from "../../src/runtime/operator-view.ts";
import type { Task } from "../../src/record/task.ts";
import type { Disk, Instant, ServerFaults, WorkingTeam } from "./world.ts";

export interface LifeOptions {
  readonly team: TeamDefinition;
  readonly clock: VirtualClock;
  readonly seed: number;
  /** What the wall clock is wrong by. */
  readonly skewMs: () => number;
  /** How long no process lived before this one. */
  readonly downMs: number;
  /** Looks on at each commit of this process, before it and after it. */
  readonly look: (instant: Instant) => void;
}

/** What a team stands on, and what it leaves there when its process dies: a data file, or servers. */
export interface Ground {
  /** No other team in the same servers may have it. */
  readonly teamName: string;
  readonly disk: Disk | null;
  readonly servers: ServerFaults | null;
  /** The task as it stands. @throws when there is none */
  task(taskId: string): Promise<Task>;
  /** What the ledger holds of all tasks, what is still set aside included. */
  spentMicroUsd(): Promise<number>;
  /** Opens the team in a new process, with what the last one left. */
  begin(options: LifeOptions): Promise<WorkingTeam>;
  /** The process of now dies at once: what it still does reaches nobody. */
  die(): void;
  /** Lets promises settle: between two timers of one instant. */
  turns(): Promise<void>;
  /** Lets everything happen that needs no virtual time. `sign` changes while something happens outside; a run that executes may be silent for `quietMs`. */
  settle(sign: () => string, quietMs: number): Promise<void>;
  /** Ends every fault that lasts. */
  mend(): Promise<void>;
  /** Removes what there is. Its teams are closed before. */
  close(): Promise<void>;
}

/** What the ledger that a person sees counts. */
export async function spentIn({ store }: Pick<OperatorView, "store">): Promise<number> {
  const { spentMicroUsd, reservedMicroUsd } = await store.money.spent({});
  return spentMicroUsd + reservedMicroUsd;
}
