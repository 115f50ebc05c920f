import { formatDuration } from "../../base/duration.ts";
import { formatUsd } from "../../base/money.ts";
import { stopReasonOf } from "../../record/stop-reason.ts";
import type { Task, TaskStatus } from "../../record/task.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { withView } from "../open-view.ts";
import { type Column, formatTable } from "../table.ts";
import { ageOf, describeStatus, statusStyle, stopColumn } from "../task-columns.ts";

export interface RunsOptions {
  readonly agent?: string;
  readonly status?: TaskStatus;
  readonly limit: number;
}

interface RunRow {
  readonly runId: string;
  readonly task: Task;
  readonly steps: number;
  readonly tokens: number;
  readonly costMicroUsd: number;
}

/** The current run of each task that has run, newest first, with what it took. */
export function runRuns(context: CommandContext, { agent, status, limit }: RunsOptions): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output, clock } = context;
    const tasks = await view.tasks({ limit, ...(agent === undefined ? {} : { agent }), ...(status === undefined ? {} : { statuses: [status] }) });
    const rows = await Promise.all(tasks.flatMap((task) => (task.runId === null ? [] : [toRow(view, task, task.runId)])));
    for (const row of rows) output.data(toJson(row));
    if (rows.length === 0) output.say("No run yet. Tasks that wait for one: longhaul ps");
    else output.say(...formatTable(columnsFor(clock.now(), output.style), rows, { columns: output.columns, styleTitle: (text) => output.style("dim", text) }));
    return 0;
  });
}

async function toRow(view: OperatorView, task: Task, runId: string): Promise<RunRow> {
  const [steps, money] = await Promise.all([view.steps(runId), view.store.money.spent({ taskId: task.id })]);
  return { runId, task, steps: steps.length, tokens: money.tokens, costMicroUsd: money.spentMicroUsd };
}

function toJson({ runId, task, steps, tokens, costMicroUsd }: RunRow): object {
  const toIso = (atMs: number | null): string | null => (atMs === null ? null : new Date(atMs).toISOString());
  return { runId, taskId: task.id, agent: task.agent, status: task.status, result: describeStatus(task), stopReason: stopReasonOf(task), startedAt: toIso(task.startedAtMs), endedAt: toIso(task.endedAtMs), steps, tokens, costMicroUsd, crashes: task.recoveries };
}

function columnsFor(nowMs: number, style: CommandContext["output"]["style"]): readonly Column<RunRow>[] {
  return [
    { title: "run", value: ({ runId }) => runId },
    { title: "task", value: ({ task }) => task.id },
    { title: "agent", value: ({ task }) => task.agent },
    { title: "status", value: ({ task }) => style(statusStyle(task), describeStatus(task)) },
    stopColumn(({ task }) => task),
    { title: "began", value: ({ task }) => `${ageOf(task.startedAtMs ?? task.createdAtMs, nowMs)} ago`, align: "right" },
    { title: "took", value: ({ task }) => (task.endedAtMs === null ? "" : formatDuration(task.endedAtMs - (task.startedAtMs ?? task.createdAtMs))), align: "right" },
    // A task that was executing in each of many crashes is likely what kills the process.
    { title: "crashes", value: ({ task }) => (task.recoveries === 0 ? "" : style("yellow", String(task.recoveries))), align: "right" },
    { title: "steps", value: ({ steps }) => String(steps), align: "right" },
    { title: "tokens", value: ({ tokens }) => (tokens === 0 ? "" : tokens.toLocaleString("en-US")), align: "right" },
    { title: "cost", value: ({ costMicroUsd }) => (costMicroUsd === 0 ? "" : formatUsd(costMicroUsd)), align: "right" },
  ];
}
