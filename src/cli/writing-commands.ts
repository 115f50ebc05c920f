import { type Command, Option } from "commander";
import type { Action } from "./command-context.ts";
import { usageError } from "./failure-report.ts";
import { idValue, textValue, wholeNumber } from "./option-values.ts";
import { readJsonArgument } from "./task-input.ts";

const priorityMax = 1_000_000;
const callLengthMax = 1_000;
const byLengthMax = 100;

/** Commands that change what a team does, whether it runs or not: `task`, `cancel`, `restart`, `fork`, `skip`, `approve`, `breakers`, `mcp`. */
export function addWritingCommands(program: Command, action: Action): void {
  program
    .command("task")
    .summary("give an agent a task")
    .description("Queues a task for an agent or a flow.")
    .argument("<agent>", "name of the agent or flow", idValue)
    .argument("[input]", "JSON, @file, or - for standard input; default: null")
    .option("--key <key>", "idempotency key: a task with this key starts once within 400 days")
    .option("--priority <n>", "higher first", wholeNumber(-priorityMax, priorityMax))
    .option("--wait", "wait for its end and print its output; ends with 1 unless it is done")
    .action(
      action(async (context, agent: string, input: string | undefined, flags: { readonly key?: string; readonly priority?: number; readonly wait?: boolean }) => {
        const { runTask } = await import("./command/task.ts");
        return runTask(context, agent, { ...flags, input: readJsonArgument(input, "The input"), wait: flags.wait === true });
      }),
    );
  program
    .command("cancel")
    .summary("end a task and what it called")
    .description("Ends a task and the tasks that it called.")
    .argument("<task>", "id of the task", idValue)
    .option("--reason <text>", "why, for those who look later", "canceled by an operator")
    .action(
      action(async (context, taskId: string, flags: { readonly reason: string }) => {
        const { runCancel } = await import("./command/cancel.ts");
        return runCancel(context, taskId, flags);
      }),
    );
  program
    .command("restart")
    .summary("run a task again from its first step")
    .description("Queues a dead, canceled or parked task again; its new run begins at the first step.")
    .argument("<task>", "id of the task", idValue)
    .action(
      action(async (context, taskId: string) => {
        const { runRestart } = await import("./command/restart.ts");
        return runRestart(context, taskId);
      }),
    );
  addFork(program, action);
  addApprove(program, action);
  addBreakers(program, action);
  addMcp(program, action);
}

function addFork(program: Command, action: Action): void {
  program
    .command("fork")
    .summary("run a task again from one of its steps")
    .description("Begins a new run with the first steps of another: they are served from its journal and do not happen again.")
    .argument("<task-or-run>", "id of a task, for its last run, or of a run", idValue)
    .option("--from <step>", "the first step that executes again, numbered as in show; 1: all of them", wholeNumber(1, 1_000_000))
    .action(
      action(async (context, id: string, { from }: { readonly from?: number }) => {
        const { runFork } = await import("./command/fork.ts");
        if (from === undefined) throw usageError(`fork ${id} needs --from <step>, the first step that executes again. See the steps with: longhaul show ${id}`);
        return runFork(context, id, { from });
      }),
    );
  program
    .command("skip")
    .summary("let a task go on whose code has changed")
    .description("Lets a task go on that waits with code-mismatch: its code's new steps are executed, its old ones are served when the code asks for them, and left out when not.")
    .argument("<task>", "id of the task", idValue)
    .action(
      action(async (context, taskId: string) => {
        const { runSkip } = await import("./command/skip.ts");
        return runSkip(context, taskId);
      }),
    );
}

interface ApproveFlags {
  readonly allow?: boolean;
  /** True without a value. */
  readonly deny?: string | true;
  /** True without a value. */
  readonly happened?: string | true;
  readonly retry?: boolean;
  readonly fail?: boolean;
  readonly call?: string;
  readonly by?: string;
}

const decisionFlags = ["allow", "deny", "happened", "retry", "fail"] as const;

/** A flag that says something else than the others. */
function decisionFlag(name: (typeof decisionFlags)[number], flags: string, description: string): Option {
  return new Option(flags, description).conflicts(decisionFlags.filter((other) => other !== name));
}

function addApprove(program: Command, action: Action): void {
  program
    .command("approve")
    .summary("decide a call that waits for a person")
    .description("Decides a call that waits for a person: one that needs permission, or one of which nobody knows whether it happened. Without a run: lists what waits.")
    .argument("[run]", "id of the run", idValue)
    .addOption(decisionFlag("allow", "--allow", "it may be made: this call, with these arguments, once"))
    .addOption(decisionFlag("deny", "--deny [reason]", "it may not; the model is told so, and why"))
    .addOption(decisionFlag("happened", "--happened [json]", "it happened; what it returned, if you know"))
    .addOption(decisionFlag("retry", "--retry", "it did not happen: make it again"))
    .addOption(decisionFlag("fail", "--fail", "give it up: it counts as failed"))
    .option("--call <id>", "which call, when the run waits for several", textValue(callLengthMax))
    .option("--by <name>", "who decides, for the record; default: your user name", textValue(byLengthMax))
    .action(
      action(async (context, runId: string | undefined, flags: ApproveFlags) => {
        const { listApprovals, runApprove } = await import("./command/approve.ts");
        const decision = decisionFlags.find((name) => flags[name] !== undefined);
        if (runId === undefined && decision === undefined) return listApprovals(context);
        if (runId === undefined) throw usageError("approve needs the id of a run. See what waits with: longhaul approve");
        if (decision === undefined) throw usageError(`approve ${runId} needs your word: --allow or --deny [reason], or of a call that may have happened --happened [json], --retry or --fail. See the call with: longhaul approve`);
        const { call, deny, happened, by = context.environment("USER") ?? context.environment("USERNAME") } = flags;
        return runApprove(context, runId, decision, {
          ...(typeof happened === "string" ? { result: readJsonArgument(happened, "--happened") } : {}),
          ...(typeof deny === "string" ? { reason: deny } : {}),
          ...(call === undefined ? {} : { call }),
          ...(by === undefined || by === "" ? {} : { by: by.slice(0, byLengthMax) }),
        });
      }),
    );
}

function addBreakers(program: Command, action: Action): void {
  program
    .command("breakers")
    .summary("what is not called now, and why; keep it so, or have it called again")
    .description("Lists the models, tools, MCP servers and called agents that were ever held back because most calls of them failed. With a name, as it is listed: keeps it from being called, or has it called again.")
    .argument("[dependency]", "a model, a tool, an MCP server or an agent, as records name it", idValue)
    .addOption(new Option("--isolate [reason]", "it is not called until you say so; why, for those who look later").conflicts(["close"]))
    .addOption(new Option("--close", "it is called again").conflicts(["isolate"]))
    .action(
      action(async (context, dependency: string | undefined, flags: { readonly isolate?: string | true; readonly close?: boolean }) => {
        const { runBreakerDecision, runBreakers } = await import("./command/breakers.ts");
        const isDeciding = flags.isolate !== undefined || flags.close === true;
        if (dependency === undefined && !isDeciding) return runBreakers(context);
        if (dependency === undefined) throw usageError("breakers needs a name to decide about. See what there is with: longhaul breakers");
        if (!isDeciding) throw usageError(`breakers ${dependency} needs your word: --isolate [reason] or --close.`);
        return runBreakerDecision(context, dependency, flags.close === true ? null : typeof flags.isolate === "string" ? flags.isolate : "no reason given");
      }),
    );
}

function addMcp(program: Command, action: Action): void {
  program
    .command("mcp")
    .summary("tools of MCP servers, and which changed; approve one")
    .description("Lists the tools of MCP servers that the team has seen, and those that say something else of themselves since: they are held back. With a server and a tool: what changed; with --approve: models are shown it again, as it is now.")
    .argument("[server]", "name of an MCP server", idValue)
    .argument("[tool]", "one of its tools, by the server's own name", textValue(callLengthMax))
    .addOption(new Option("--approve [hash]", "what it says now is as it should be; with the hash that was listed, only if it has not changed again"))
    .action(
      action(async (context, server: string | undefined, tool: string | undefined, { approve }: { readonly approve?: string | true }) => {
        const { listMcp, runMcpApproval, showMcpTool } = await import("./command/mcp.ts");
        if (approve === undefined) return server === undefined || tool === undefined ? listMcp(context, server) : showMcpTool(context, server, tool);
        if (server === undefined || tool === undefined) throw usageError("mcp --approve needs a server and a tool. See what changed with: longhaul mcp");
        return runMcpApproval(context, typeof approve === "string" ? { server, tool, hash: approve } : { server, tool });
      }),
    );
}
