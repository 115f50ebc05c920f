import type { Engine } from "../engine/engine.ts";
import { type DeadReason, isEnded, type Task, type TaskStatus, type WaitingReason } from "../record/task.ts";

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
  /** Why it is done and degraded. */
  readonly degraded: string | null;
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

/** The tasks of each agent, at hand as far as may be. */
export interface AgentTasksMirror {
  readonly of: AgentTasksOf;
  /** The task comes to be so in the transaction that is open; it may yet be rolled back. */
  note(task: Task): void;
  /** A task that was noted, this very object, is on disk. */
  noteCommitted(task: Task): void;
  /** True when it is at hand that the task has ended; false when it has not, or only a look into the file would tell. */
  hasEnded(task: Pick<Task, "id" | "agent">): boolean;
}

/** Nothing is at hand: other processes change tasks too, so each look is into the database. */
export function createSharedAgentTasks(tasks: Pick<Engine, "list">): AgentTasksMirror {
  return { of: listAgentTasks(tasks), note: () => undefined, noteCommitted: () => undefined, hasEnded: () => false };
}

/** What was noted last of a task. Only when it is known to be on disk need it not be read. */
interface Noted {
  readonly task: Task;
  isCommitted: boolean;
}

/**
 * Knows the tasks of each agent without listing them each time: takes what was noted and committed, and reads what was noted and may have been rolled back.
 * An agent with so many open tasks that not all are looked at is listed anew.
 */
export function createAgentTasksMirror(tasks: Pick<Engine, "list" | "get">): AgentTasksMirror {
  const list = listAgentTasks(tasks);
  const held = new Map<string, Held>();
  const read = async (noted: ReadonlyMap<string, Noted>): Promise<readonly Task[]> => {
    const found = await Promise.all([...noted].map(async ([id, { task, isCommitted }]) => (isCommitted ? task : await tasks.get(id))));
    return found.filter((task) => task !== null);
  };
  const update = async (agent: string, entry: Held): Promise<AgentTasks> => {
    const noted = entry.noted;
    entry.noted = new Map();
    try {
      if (entry.book === null || entry.book.isCut) entry.book = new TaskBook(await list(agent));
      else if (noted.size > 0) entry.book.enter(await read(noted));
      return entry.book.tasks;
    } catch (error) {
      // What was noted is not known: everything is read again.
      entry.book = null;
      throw error;
    }
  };
  const entryOf = (agent: string): Held => {
    const known = held.get(agent);
    if (known !== undefined) return known;
    const entry: Held = { book: null, noted: new Map(), update: null };
    held.set(agent, entry);
    return entry;
  };
  return {
    note: (task) => void entryOf(task.agent).noted.set(task.id, { task, isCommitted: false }),
    noteCommitted: (task) => {
      const noted = entryOf(task.agent).noted.get(task.id);
      if (noted?.task === task) noted.isCommitted = true;
    },
    hasEnded: ({ id, agent }) => {
      const { noted, book, update } = entryOf(agent);
      // What is being read is neither noted nor in the book.
      if (update !== null) return false;
      const last = noted.get(id);
      return last === undefined ? book?.placeOf(id) === "ended" : last.isCommitted && isEnded(last.task.status);
    },
    async of(agent) {
      const entry = entryOf(agent);
      // Two at once would each miss what the other one reads.
      while (entry.update !== null) await entry.update.catch(() => undefined);
      if (entry.book !== null && entry.noted.size === 0) return entry.book.tasks;
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
  book: TaskBook | null;
  noted: Map<string, Noted>;
  /** The reading under way. */
  update: Promise<AgentTasks> | null;
}

type Place = keyof AgentTasks;
const places: readonly Place[] = ["queued", "running", "waiting", "ended"];

/** The tasks of one agent, and where each of them stands: what changes is found without a look at the others. */
class TaskBook {
  #tasks: AgentTasks;
  readonly #placeOf: Map<string, Place>;

  constructor(tasks: AgentTasks) {
    this.#tasks = tasks;
    this.#placeOf = new Map(places.flatMap((place) => tasks[place].map(({ id }) => [id, place] as const)));
  }

  get tasks(): AgentTasks {
    return this.#tasks;
  }

  get isCut(): boolean {
    return [this.#tasks.queued, this.#tasks.running, this.#tasks.waiting].some(({ length }) => length >= openTasksMax);
  }

  placeOf(id: string): Place | undefined {
    return this.#placeOf.get(id);
  }

  /** Takes the tasks as they are now. */
  enter(changed: readonly Task[]): void {
    for (const { id } of changed) this.#strike(id);
    for (const place of places) {
      const come = changed.filter(({ status }) => placeOf(status) === place).map(toSeen);
      if (come.length === 0) continue;
      for (const { id } of come) this.#placeOf.set(id, place);
      this.#tasks = { ...this.#tasks, [place]: place === "ended" ? this.#withEnded(come) : [...this.#tasks[place], ...come].toSorted((a, b) => a.createdAtMs - b.createdAtMs).slice(0, openTasksMax) };
    }
  }

  #strike(id: string): void {
    const place = this.#placeOf.get(id);
    if (place === undefined) return;
    this.#placeOf.delete(id);
    this.#tasks = { ...this.#tasks, [place]: this.#tasks[place].filter((task) => task.id !== id) };
  }

  #withEnded(come: readonly SeenTask[]): readonly SeenTask[] {
    const before = this.#tasks.ended;
    // What ends now ends last: nothing else has to be moved.
    const isInOrder = come.length === 1 && (come[0]?.endedAtMs ?? 0) >= (before[0]?.endedAtMs ?? 0);
    const merged = isInOrder ? [...come, ...before] : [...come, ...before].toSorted(byEnd);
    for (const { id } of merged.slice(endedTasksMax)) this.#placeOf.delete(id);
    return merged.slice(0, endedTasksMax);
  }
}

/** Nobody looks at a canceled task. */
function placeOf(status: TaskStatus): Place | null {
  if (status === "canceled") return null;
  return status === "done" || status === "dead" ? "ended" : status;
}

function byEnd(a: SeenTask, b: SeenTask): number {
  return (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0);
}

function toSeen({ id, runId, status, waitingReason, createdAtMs, notBeforeAtMs, statusSinceMs, openSinceMs, endedAtMs, end }: Task): SeenTask {
  return { id, runId, status, waitingReason, createdAtMs, notBeforeAtMs, statusSinceMs, openSinceMs, endedAtMs, deadReason: end?.status === "dead" ? end.reason : null, degraded: end?.status === "done" && end.outcome === "degraded" ? end.reason ?? "no reason" : null };
}
