import type { Json } from "../../base/json.ts";
import type { LogRecord } from "../../record/log-record.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import { listOpenDecisions } from "../../run/parked.ts";
import type { EffectDecision } from "../../runtime/operations.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { createControl } from "../control.ts";
import { withView } from "../open-view.ts";
import { printable, printableLine } from "../printable.ts";

/** Decides an effect whose outcome nobody knows. @throws {TASK_STATE} when none waits in this run. */
export async function runApprove(context: CommandContext, runId: string, { decision, result }: { readonly decision: EffectDecision; readonly result: Json }): Promise<ExitCode> {
  const answered = await createControl(context).approve(runId, decision, result);
  const consequence = { happened: "counts as done", retry: "is made again", fail: "counts as failed" }[decision];
  context.output.data({ runId, decision, answered });
  context.output.say(`${answered === 1 ? "The call" : `${answered} calls`} of ${runId} ${consequence}.`);
  return 0;
}

interface WaitingEffect {
  readonly runId: string;
  readonly record: LogRecord;
}

/** What waits for a human's word. */
export function listApprovals(context: CommandContext): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output } = context;
    const waiting = await findWaiting(view);
    for (const { runId, record } of waiting) output.data({ runId, taskId: record.task_id, agent: record.agent_id, tool: record.tool_name, arguments: record.tool_args, askedAt: record.timestamp, reason: record.reason });
    if (waiting.length === 0) output.say("Nothing waits for a decision.");
    for (const { runId, record } of waiting) {
      output.say(
        `${output.style("bold", `${record.agent_id ?? ""} called ${record.tool_name ?? "a tool"}`)} at ${record.timestamp}, and it is not known whether it happened.`,
        `  arguments: ${printableLine(JSON.stringify(record.tool_args))}`,
        `  ${printable(record.reason ?? "")}`,
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
  const tasks = await view.tasks({ statuses: ["waiting"], limit: 10_000 });
  const perTask = await Promise.all(
    tasks.map(async ({ id, waitingReason, runId }) => {
      if (waitingReason !== "unknown-effect" || runId === null) return [];
      const open = new Set(listOpenDecisions(await view.steps(runId)));
      // Asked in an earlier run of the task, when its steps were served in this one.
      const asked = await view.store.records.query({ taskId: id, eventTypes: ["approval"], result: "asked", limit: 10_000 });
      const latest = new Map(asked.map(({ record }) => [record.data["signal"], record]));
      return [...latest].flatMap(([signal, record]) => (open.has(String(signal)) ? [{ runId, record }] : []));
    }),
  );
  return perTask.flat();
}
