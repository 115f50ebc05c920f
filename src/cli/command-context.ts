import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Output } from "./output.ts";
import type { SupervisorLink } from "./supervisor-link.ts";

/** What every command is given. Commands return the exit code of the process. */
export interface CommandContext {
  readonly output: Output;
  /** As it was given: a path relative to the working directory, or absolute. */
  readonly data: string;
  /** Address of the PostgreSQL where the team is; null: in the data directory. */
  readonly store: string | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: (name: string) => string | undefined;
  /** Null, and by default: nobody starts this process again. */
  readonly supervisor?: SupervisorLink | null;
}

/** 0: done. 1: refused or failed. 2: wrong usage. */
export type ExitCode = number;

/** Makes the body of a command one for commander. Bodies import their command's file only when they run, so that the program starts fast. */
export type Action = <Arguments extends readonly unknown[]>(body: (context: CommandContext, ...args: Arguments) => Promise<ExitCode>) => (...given: readonly unknown[]) => Promise<void>;
