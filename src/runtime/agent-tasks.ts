import type { Engine } from "../engine/engine.ts";
import type { DeadReason, Task, TaskStatus, WaitingReason } from "../record/task.ts";

/** What the health judge looks at of a task: not what it was given or returned, which may be large. */
export interface SeenTask {
  readonly id: string;
  readonly runId: string | null;
  readonly status: TaskStatus;
  readonly waitingReason: WaitingReason | null;
  readonly createdAtMs: number;
  readonly notBeforeAtMs: number;
  readonly statusSinceMs: number;
  readonly openSinceMs: number;
  readonly endedAtMs: number | null;
  readonly deadReason: DeadReason | null;
}

/** The tasks of one agent that the health judge looks at. */
export interface AgentTasks {
  /** The oldest 1,000 of each status. */
  readonly queued: readonly SeenTask[];
  readonly running: readonly SeenTask[];
  readonly waiting: readonly SeenTask[];
  /** Those that ended done or dead, the latest end first; the last 100. */
  readonly ended: readonly SeenTask[];
}

export type AgentTasksOf = (agent: string) => Promise<AgentTasks>;

/** Open tasks of an agent that are looked at one by one. */
const openTasksMax = 1_000;
const endedTasksMax = 100;

/** Reads the tasks of an agent anew at each call. */
export function listAgentTasks(tasks: Pick<Engine, "list">): AgentTasksOf {
  return async (agent) => {
    // One list for each: a long queue must not push what runs or waits out of sight, and the oldest is what matters.
    const open = (status: TaskStatus): Promise<readonly Task[]> => tasks.list({ agent, statuses: [status], limit: openTasksMax, first: "oldest" });
    const [queued, running, waiting, ended] = await Promise.all([open("queued"), open("running"), open("waiting"), tasks.list({ agent, statuses: ["done", "dead"], limit: endedTasksMax })]);
    return { queued: queued.map(toSeen), running: running.map(toSeen), waiting: waiting.map(toSeen), ended: ended.map(toSeen).toSorted(byEnd) };
  };
}

/** Keeps the tasks of each agent at hand. */
export interface AgentTasksMirror {
  readonly of: AgentTasksOf;
  /** The task changes in the transaction that is open; it may yet be rolled back. */
  note(task: Pick<Task, "id" | "agent">): void;
}

/**
 * Knows the tasks of each agent without listing them each time: reads again, after their commit, those that were noted. An agent with so many open tasks
 * that not all are looked at is listed anew.
 */
export function createAgentTasksMirror(tasks: Pick<Engine, "list" | "get">): AgentTasksMirror {
  const list = listAgentTasks(tasks);
  const held = new Map<string, Held>();
  const update = async (agent: string, entry: Held): Promise<AgentTasks> => {
    const changed = entry.changed;
    entry.changed = new Set();
    try {
      if (entry.tasks === null || isCut(entry.tasks)) entry.tasks = await list(agent);
      else if (changed.size > 0) entry.tasks = merge(entry.tasks, changed, await Promise.all([...changed].map((id) => tasks.get(id))));
      return entry.tasks;
    } catch (error) {
      // What was noted is not known: everything is read again.
      entry.tasks = null;
      throw error;
    }
  };
  const entryOf = (agent: string): Held => {
    const known = held.get(agent);
    if (known !== undefined) return known;
    const entry: Held = { tasks: null, changed: new Set(), update: null };
    held.set(agent, entry);
    return entry;
  };
  return {
    note: ({ agent, id }) => void entryOf(agent).changed.add(id),
    async of(agent) {
      const entry = entryOf(agent);
      // Two at once would each miss what the other one reads.
      while (entry.update !== null) await entry.update.catch(() => undefined);
      if (entry.tasks !== null && entry.changed.size === 0) return entry.tasks;
      entry.update = update(agent, entry);
      try {
        return await entry.update;
      } finally {
        entry.update = null;
      }
    },
  };
}

interface Held {
  tasks: AgentTasks | null;
  changed: Set<string>;
  /** The reading under way. */
  update: Promise<AgentTasks> | null;
}

function isCut({ queued, running, waiting }: AgentTasks): boolean {
  return [queued, running, waiting].some(({ length }) => length >= openTasksMax);
}

function merge(before: AgentTasks, changed: ReadonlySet<string>, read: readonly (Task | null)[]): AgentTasks {
  const now = read.filter((task) => task !== null).map(toSeen);
  const open = (tasks: readonly SeenTask[], status: TaskStatus): readonly SeenTask[] => {
    const rest = without(tasks, changed);
    const come = now.filter((task) => task.status === status);
    return come.length === 0 ? rest : [...rest, ...come].toSorted((a, b) => a.createdAtMs - b.createdAtMs).slice(0, openTasksMax);
  };
  return {
    queued: open(before.queued, "queued"),
    running: open(before.running, "running"),
    waiting: open(before.waiting, "waiting"),
    ended: mergeEnded(without(before.ended, changed), now.filter(({ status }) => status === "done" || status === "dead")),
  };
}

function without(tasks: readonly SeenTask[], changed: ReadonlySet<string>): readonly SeenTask[] {
  return tasks.some(({ id }) => changed.has(id)) ? tasks.filter(({ id }) => !changed.has(id)) : tasks;
}

function mergeEnded(before: readonly SeenTask[], come: readonly SeenTask[]): readonly SeenTask[] {
  if (come.length === 0) return before;
  const newest = before[0]?.endedAtMs ?? 0;
  // What ends now ends last: nothing else has to be moved.
  const isInOrder = come.length === 1 && (come[0]?.endedAtMs ?? 0) >= newest;
  const merged = [...come, ...before];
  return (isInOrder ? merged : merged.toSorted(byEnd)).slice(0, endedTasksMax);
}

function byEnd(a: SeenTask, b: SeenTask): number {
  return (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0);
}

function toSeen({ id, runId, status, waitingReason, createdAtMs, notBeforeAtMs, statusSinceMs, openSinceMs, endedAtMs, end }: Task): SeenTask {
  return { id, runId, status, waitingReason, createdAtMs, notBeforeAtMs, statusSinceMs, openSinceMs, endedAtMs, deadReason: end?.status === "dead" ? end.reason : null };
}
