import type { OpenTaskCount } from "./open-task-counts.ts";

/** Open tasks whose agent was renamed or removed: no health can tell of them, since there is no agent to judge. */
export interface OrphanedTasks {
  readonly agent: string;
  readonly openTasks: number;
}

/** The most first. */
export function computeOrphans(agents: readonly string[], counts: readonly OpenTaskCount[]): readonly OrphanedTasks[] {
  const orphans = new Map<string, number>();
  for (const { agent, tasks } of counts) if (!agents.includes(agent)) orphans.set(agent, (orphans.get(agent) ?? 0) + tasks);
  return [...orphans].map(([agent, openTasks]) => ({ agent, openTasks })).toSorted((a, b) => b.openTasks - a.openTasks);
}

export function describeOrphans({ agent, openTasks }: OrphanedTasks): string {
  const [tasks, them] = openTasks === 1 ? ["task is", "it"] : ["tasks are", "them"];
  return `${openTasks} open ${tasks} for ${agent}, which the team does not have: nobody works on ${them}. Add it again, or look at ${them} with: longhaul ps --agent ${agent}`;
}
