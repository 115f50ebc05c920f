import { Command, Option } from "commander";
import type { Clock } from "../base/clock.ts";
import type { Action, CommandContext, ExitCode } from "./command-context.ts";
import { addDataCommands } from "./data-commands.ts";
import { addTeamCommands } from "./team-commands.ts";
import { addReadingCommands } from "./reading-commands.ts";
import { usualData } from "./typed-command.ts";
import { addWritingCommands } from "./writing-commands.ts";

export interface GlobalOptions {
  readonly data: string;
  readonly store?: string;
  readonly json?: boolean;
}

export interface ProgramOptions {
  readonly version: string;
  readonly clock: Clock;
  readonly isInteractive: boolean;
  readonly context: (options: GlobalOptions) => CommandContext;
  readonly onExitCode: (exitCode: ExitCode) => void;
}

/** Everything that can be typed. Each command's own file is imported when it runs. */
export function createProgram({ version, clock, isInteractive, context, onExitCode }: ProgramOptions): Command {
  const program = new Command("longhaul");
  const action: Action =
    <Arguments extends readonly unknown[]>(body: (context: CommandContext, ...args: Arguments) => Promise<ExitCode>) =>
    async (...given) => {
      // Commander gives arguments, options, then the command itself.
      const command = given.at(-1) as Command;
      onExitCode(await body(context(command.optsWithGlobals()), ...(given.slice(0, -1) as unknown as Arguments)));
    };
  program
    .description("Keeps teams of AI agents working for months.")
    .version(version, "-v, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .addOption(new Option("--data <dir>", "where the team keeps everything").env("LONGHAUL_DATA").default(usualData))
    .addOption(new Option("--store <url>", "where it does on a cluster: postgres://user@host/database").env("LONGHAUL_STORE"))
    .option("--json", "print JSON and nothing else: one document, or one a line")
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError(true)
    .exitOverride()
    .addHelpText("after", "\nExit codes: 0 done, 1 refused or failed, 2 wrong usage.\n\nA first team:  longhaul init my-team");
  addTeamCommands(program, action, { isInteractive });
  addReadingCommands(program, action, clock);
  addWritingCommands(program, action);
  addDataCommands(program, action);
  return program;
}
