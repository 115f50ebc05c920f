import type { SqliteDatabase } from "../../src/db/sqlite.ts";
import type { DiskTeam } from "../fixture/disk-team.ts";
import type { Outside } from "./outside.ts";
import type { Warehouse } from "./warehouse.ts";

/** The instants around a commit at which a process may die. */
export type Instant = "before" | "after";

/** A team at work, as a case has it. */
export type WorkingTeam = Pick<DiskTeam, "live" | "clock" | "submit" | "settle" | "task" | "records" | "close">;

/** What a case may do: the team from outside, its process, its clock, its disk or its servers. */
export interface World {
  readonly outside: Outside;
  /** The team as the process of now has it open. */
  readonly team: WorkingTeam;
  /** @throws on the cluster. */
  readonly disk: Disk;
  /** @throws on the embedded engine. */
  readonly servers: ServerFaults;
  readonly taskId: string;
  /** The server of the tools. @throws when the case has none over HTTP. */
  readonly warehouse: Warehouse;
  /** Calls that reached the provider. */
  readonly calls: number;
  /** Gives the team the order, and settles. Again: the same task, by its key. */
  submit(): Promise<void>;
  /** Gives it the other orders. */
  submitOthers(): Promise<void>;
  /** Moves time on until the task ends, or waits for what only people can give. Opens the team again when its process died. */
  untilRest(): Promise<void>;
  advance(ms: number): Promise<void>;
  /** The process dies right now, as by a loss of power. What it still executes reaches nobody any more. */
  die(): void;
  /** It dies at the next commit for which this holds. */
  dieAt(instant: Instant, when: () => boolean): void;
  /** Stops the process in good order, and opens the team again so much later. */
  restart(downMs: number): Promise<void>;
  /** Sets the wall clock forward, or back. */
  stepClock(byMs: number): void;
}

/** What is under an embedded team. */
export interface Disk {
  readonly directory: string;
  /** The writer's connection; null before the first commit of this process. */
  readonly db: SqliteDatabase | null;
  /** Lets the data file grow no more, or again. */
  fill(isFull: boolean): void;
}

/** What is under a team on a cluster, and the ways there. */
export interface ServerFaults {
  /** Breaks the way from the process to PostgreSQL, or mends it. */
  cutStore(isCut: boolean): void;
  /** PostgreSQL takes the next COMMIT for which this holds, and the process never hears so. */
  loseAnswer(when: () => boolean): void;
  /** kill -9, or in good order. */
  stopPostgres(how: "kill" | "fast"): Promise<void>;
  startPostgres(): Promise<void>;
  /** kill -9. */
  killRestate(): Promise<void>;
  startRestate(): Promise<void>;
  /** Breaks the way from Restate to the process, or mends it. */
  cutCalls(isCut: boolean): void;
}
