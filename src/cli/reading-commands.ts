import { type Command, Option } from "commander";
import type { Clock } from "../base/clock.ts";
import type { EventType } from "../record/log-record.ts";
import type { TaskStatus } from "../record/task.ts";
import type { Action } from "./command-context.ts";
import type { SqlOptions } from "./command/sql.ts";
import { durationUpTo, durationValue, eventTypesValue, idValue, instantValue, taskStatuses, wholeNumber } from "./option-values.ts";

const listMax = 10_000;

/** Commands that look at a team, whether it runs or not: `ps`, `runs`, `show`, `logs`, `health`, `sql`. */
export function addReadingCommands(program: Command, action: Action, clock: Clock): void {
  program
    .command("ps")
    .summary("agents and open tasks")
    .description("Shows agents and open tasks, and of a team on a cluster its workers.")
    .option("-a, --all", "ended tasks too")
    .option("--agent <name>", "of this agent only")
    .option("--limit <n>", "at most so many tasks, the newest", wholeNumber(1, listMax), 100)
    .action(
      action(async (context, flags: { readonly all?: boolean; readonly agent?: string; readonly limit: number }) => {
        const { runPs } = await import("./command/ps.ts");
        return runPs(context, { ...flags, all: flags.all === true });
      }),
    );
  program
    .command("runs")
    .summary("what ran, what it took and cost")
    .description("Shows runs, newest first, with steps, tokens and cost.")
    .option("--agent <name>", "of this agent only")
    .addOption(new Option("--status <status>", "in this status only").choices(taskStatuses))
    .option("--limit <n>", "at most so many, the newest", wholeNumber(1, listMax), 50)
    .action(
      action(async (context, flags: { readonly agent?: string; readonly status?: TaskStatus; readonly limit: number }) => {
        const { runRuns } = await import("./command/runs.ts");
        return runRuns(context, flags);
      }),
    );
  program
    .command("show")
    .summary("a task with its steps, or one step in full")
    .description("Shows a task and the steps of its run; with --step the full prompt and answer of a model call, the arguments and result of a tool call.")
    .argument("<task-or-run>", "id of a task or of a run", idValue)
    .option("--step <n>", "everything of this step", wholeNumber(1, 1_000_000))
    .action(
      action(async (context, id: string, flags: { readonly step?: number }) => {
        const { runShow } = await import("./command/show.ts");
        return runShow(context, id, flags);
      }),
    );
  program
    .command("health")
    .summary("what is wrong, per agent; ends with 1 when something is")
    .description("Shows the health of each agent with its evidence. Ends with 1 when something is bad or the team does not run.")
    .action(
      action(async (context) => {
        const { runHealth } = await import("./command/health.ts");
        return runHealth(context);
      }),
    );
  program
    .command("sql")
    .summary("ask the team's data with a SELECT")
    .description('Runs one reading statement. See the tables with: longhaul sql "SELECT name, sql FROM sqlite_schema"')
    .argument("<select>", "one SELECT statement")
    .option("--rows <n>", "at most so many rows", wholeNumber(1, 100_000), 1_000)
    .addOption(new Option("--timeout <duration>", "end it after so long, at most 24h").argParser(durationUpTo(86_400_000)).default(30_000, "30s"))
    .action(
      action(async (context, sql: string, flags: SqlOptions) => {
        const { runSql } = await import("./command/sql.ts");
        return runSql(context, sql, flags);
      }),
    );
  addLogs(program, action, clock);
}

interface LogFlags {
  readonly agent?: string;
  readonly task?: string;
  readonly run?: string;
  readonly type?: readonly EventType[];
  readonly tool?: string;
  readonly result?: string;
  readonly since?: number;
  readonly until?: number;
  readonly minDuration?: number;
  readonly limit: number;
  readonly follow?: boolean;
  readonly count?: boolean;
  readonly usage?: boolean;
}

function addLogs(program: Command, action: Action, clock: Clock): void {
  program
    .command("logs")
    .summary("records of everything that happened, by filter")
    .description("Prints records, oldest first. Filters are combined.")
    .option("--agent <name>", "of this agent")
    .option("--task <id>", "of this task")
    .option("--run <id>", "of this run")
    .option("--type <types>", "of these types: model_call,tool_call,error,...", eventTypesValue)
    .option("--tool <name>", "of this tool")
    .option("--result <text>", "with this result: success, error, dead(failed), ...")
    .option("--since <time>", 'from this time on: "1h" ago, or an instant', instantValue(clock.now()))
    .option("--until <time>", "before this time", instantValue(clock.now()))
    .option("--min-duration <duration>", "that took at least so long", durationValue)
    .option("--limit <n>", "at most so many, the newest", wholeNumber(1, listMax), 100)
    .option("-f, --follow", "go on with what is recorded from now on")
    .addOption(new Option("--count", "print how many there are").conflicts(["follow", "usage"]))
    .addOption(new Option("--usage", "print calls, tokens and cost per agent, of --since and --until").conflicts(["follow", "agent", "task", "run", "type", "tool", "result", "minDuration"]))
    .addHelpText(
      "after",
      [
        "",
        "Tool calls over 5 s in the last hour:      longhaul logs --type tool_call --min-duration 5s --since 1h",
        "How often an agent failed to call a tool:  longhaul logs --agent a --type tool_call --tool t --result error --count",
        "Tokens and cost per agent in a day:        longhaul logs --usage --since 24h",
      ].join("\n"),
    )
    .action(
      action(async (context, flags: LogFlags) => {
        const { runLogs } = await import("./command/logs.ts");
        return runLogs(context, { filter: toFilter(flags), mode: flags.usage === true ? "usage" : flags.count === true ? "count" : flags.follow === true ? "follow" : "print" });
      }),
    );
}

function toFilter({ agent, task, run, type, tool, result, since, until, minDuration, limit }: LogFlags) {
  return {
    limit,
    ...(agent === undefined ? {} : { agent }),
    ...(task === undefined ? {} : { taskId: task }),
    ...(run === undefined ? {} : { runId: run }),
    ...(type === undefined ? {} : { eventTypes: type }),
    ...(tool === undefined ? {} : { toolName: tool }),
    ...(result === undefined ? {} : { result }),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(until === undefined ? {} : { untilMs: until }),
    ...(minDuration === undefined ? {} : { durationMsMin: minDuration }),
  };
}
