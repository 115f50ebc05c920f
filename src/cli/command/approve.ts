import type { Json } from "../../base/json.ts";
import type { LogRecord } from "../../record/log-record.ts";
import type { Task } from "../../record/task.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import type { EffectDecision } from "../../runtime/operations.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { openControl } from "../open-control.ts";
import { withView } from "../open-view.ts";
import { printable, printableLine } from "../printable.ts";

/** Decides an effect whose outcome nobody knows. @throws {TASK_STATE} when none waits in this run. */
export async function runApprove(context: CommandContext, runId: string, { decision, result }: { readonly decision: EffectDecision; readonly result: Json }): Promise<ExitCode> {
  const answered = await (await openControl(context)).approve(runId, decision, result);
  const consequence = { happened: "counts as done", retry: "is made again", fail: "counts as failed" }[decision];
  context.output.data({ runId, decision, answered });
  context.output.say(`${answered === 1 ? "The call" : `${answered} calls`} of ${runId} ${consequence}.`);
  return 0;
}

interface WaitingEffect {
  readonly runId: string;
  readonly task: Task;
  readonly askedAtMs: number;
  /** What was written when the call came to the question; undefined when it is not kept any more. */
  readonly record: LogRecord | undefined;
  /** What it came to after all, when nobody waited for it any more. */
  readonly late: LogRecord | undefined;
}

/** What waits for a human's word. */
export function listApprovals(context: CommandContext): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output } = context;
    const waiting = await findWaiting(view);
    for (const { runId, task, askedAtMs, record, late } of waiting) {
      output.data({ late: late?.reason ?? null, runId, taskId: task.id, agent: task.agent, tool: record?.tool_name ?? null, arguments: record?.tool_args ?? null, askedAt: record?.timestamp ?? new Date(askedAtMs).toISOString(), reason: record?.reason ?? null });
    }
    if (waiting.length === 0) output.say("Nothing waits for a decision.");
    for (const { runId, task, askedAtMs, record, late } of waiting) {
      output.say(
        `${output.style("bold", `${task.agent} called ${record?.tool_name ?? "a tool"}`)} at ${record?.timestamp ?? new Date(askedAtMs).toISOString()}, and it is not known whether it happened.`,
        ...(record === undefined ? [] : [`  arguments: ${printableLine(JSON.stringify(record.tool_args))}`, `  ${printable(record.reason ?? "")}`]),
        ...(late === undefined ? [] : [`  ${printable(late.reason ?? "")}`]),
        `  It happened:      longhaul approve ${runId} --happened ['<its result as JSON>']`,
        `  Make it again:    longhaul approve ${runId} --retry`,
        `  Count as failed:  longhaul approve ${runId} --fail`,
        "",
      );
    }
    return 0;
  });
}

async function findWaiting(view: OperatorView): Promise<readonly WaitingEffect[]> {
  const waits = await view.waits("unknown-effect");
  const found = await Promise.all(
    waits.map(async ({ runId, signal, sinceAtMs }) => {
      const task = await view.taskOfRun(runId);
      return task === null ? [] : [{ runId, task, askedAtMs: sinceAtMs, record: await findQuestion(view, runId, signal, "asked"), late: await findQuestion(view, runId, signal, "late") }];
    }),
  );
  return found.flat();
}

/** The record of the question, or of what the call came to after it was asked. It was asked in this run, or in one whose steps were served in this one: of this task, or of the one that it is a fork of. */
async function findQuestion(view: OperatorView, runId: string, signal: string | null, result: "asked" | "late"): Promise<LogRecord | undefined> {
  const asked = await view.store.records.query({ runId, eventTypes: ["approval"], result, limit: 10_000 });
  const question = asked.findLast(({ record }) => record.data["signal"] === signal);
  if (question !== undefined) return question.record;
  const task = await view.taskOfRun(runId);
  const run = task === null ? undefined : (await view.runs(task.id)).find(({ id }) => id === runId);
  return run === undefined || run.fromRunId === null ? undefined : await findQuestion(view, run.fromRunId, signal, result);
}
