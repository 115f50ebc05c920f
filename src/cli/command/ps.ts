import type { HealthVerdict } from "../../record/health.ts";
import { describeVerdict } from "../../record/health.ts";
import type { Task } from "../../record/task.ts";
import type { Manifest } from "../../runtime/manifest.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import { findTeamWorkers } from "../../runtime/team-workers.ts";
import { toQuestionView } from "../../http/question-view.ts";
import { toTaskView } from "../../http/task-view.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import type { Output } from "../output.ts";
import { questionsOf, withView } from "../open-view.ts";
import { countOpenTasks, type OpenTaskCount } from "../open-task-counts.ts";
import { computeOrphans, describeOrphans } from "../orphaned-tasks.ts";
import { formatTable } from "../table.ts";
import { taskColumns } from "../task-columns.ts";
import { findPresence } from "../team-presence.ts";
import { workerTable } from "../worker-lines.ts";

export interface PsOptions {
  readonly all: boolean;
  readonly agent?: string;
  readonly limit: number;
}

/** Agents, on a cluster workers, and open tasks; with `all`, ended tasks too. */
export function runPs(context: CommandContext, { all, agent, limit }: PsOptions): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output, clock } = context;
    const nowMs = clock.now();
    const filter = { limit, ...(agent === undefined ? {} : { agent }), ...(all ? {} : { statuses: ["queued", "running", "waiting"] as const }) };
    const [presence, workers, manifest, verdicts, tasks, counts] = await Promise.all([findPresence(view, nowMs), findTeamWorkers(view), view.manifest(), view.health(nowMs), view.tasks(filter), countOpenTasks(view)]);
    const questions = await questionsOf(view, tasks.map(({ runId }) => runId));
    const breakers = await breakersOf(view, tasks);
    const agents = toAgentRows(manifest, verdicts, counts, presence.isRunning).filter(({ name }) => agent === undefined || name === agent);
    const orphans = computeOrphans((manifest?.workers ?? []).map(({ name }) => name), counts);
    output.data({ team: presence.team, isRunning: presence.isRunning, pid: presence.pid, supervisor: presence.supervisor, ...(workers === null ? {} : { workers }), agents, tasks: tasks.map(toTaskView), approvals: questions.map(toQuestionView), orphans });
    const workerLines = workerTable(workers ?? [], output);
    output.say(presence.text, "", ...(workerLines.length === 0 ? [] : [...workerLines, ""]), ...agentTable(agents, output), "");
    for (const orphan of orphans) if (agent === undefined || agent === orphan.agent) output.say(output.style("red", describeOrphans(orphan)), "");
    if (tasks.length === 0) output.say(all ? "No task yet." : "No open task. Ended ones: longhaul ps --all");
    else output.say(...formatTable(taskColumns(nowMs, output.style, { questions, breakers, ended: all }), tasks, { columns: output.columns, styleTitle: (text) => output.style("dim", text) }));
    if (tasks.length === limit) output.say(output.style("dim", `The newest ${limit}; more with --limit.`));
    return 0;
  });
}

/** What the breakers are of that tasks wait for, by the records of their refusals. */
async function breakersOf({ store }: OperatorView, tasks: readonly Task[]): Promise<ReadonlyMap<string, string>> {
  const waiting = tasks.filter(({ waitingReason }) => waitingReason === "breaker");
  const found = await Promise.all(
    waiting.map(async ({ id }) => {
      const [last] = await store.records.query({ taskId: id, eventTypes: ["breaker"], result: "refused", limit: 1 });
      const dependency = last?.record.data["dependency"];
      return typeof dependency === "string" ? [[id, dependency] as const] : [];
    }),
  );
  return new Map(found.flat());
}

interface AgentRow {
  readonly name: string;
  readonly kind: string;
  /** Null while the team does not run: nothing is judged then. */
  readonly health: string | null;
  readonly isBad: boolean;
  readonly isDegraded: boolean;
  readonly queued: number;
  readonly running: number;
  readonly waiting: number;
}

function toAgentRows(manifest: Manifest | null, verdicts: readonly HealthVerdict[], counts: readonly OpenTaskCount[], isRunning: boolean): readonly AgentRow[] {
  return (manifest?.workers ?? []).map(({ name, kind }) => {
    const verdict = isRunning ? verdicts.find((candidate) => candidate.agent === name) : undefined;
    const count = (status: string): number => counts.find((candidate) => candidate.agent === name && candidate.status === status)?.tasks ?? 0;
    return { name, kind, health: verdict === undefined ? null : describeVerdict(verdict), isBad: verdict?.bad ?? false, isDegraded: (verdict?.degraded ?? null) !== null, queued: count("queued"), running: count("running"), waiting: count("waiting") };
  });
}

function agentTable(agents: readonly AgentRow[], { columns, style }: Output): readonly string[] {
  return formatTable<AgentRow>(
    [
      { title: "agent", value: ({ name }) => name },
      { title: "kind", value: ({ kind }) => kind },
      { title: "health", value: ({ health, isBad, isDegraded }) => style(isBad ? "red" : isDegraded ? "yellow" : [], health ?? "-") },
      { title: "queued", value: ({ queued }) => String(queued), align: "right" },
      { title: "running", value: ({ running }) => String(running), align: "right" },
      { title: "waiting", value: ({ waiting }) => String(waiting), align: "right" },
    ],
    agents,
    { columns, styleTitle: (text) => style("dim", text) },
  );
}
