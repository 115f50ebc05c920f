/** The callers of one agent at one priority: turns that it had at another take nothing from others here. */
export interface Line {
  readonly agent: string;
  readonly priority: number;
  /** Turns that it had, and how many wait. */
  had: number;
  waiting: number;
}

/** Who waits for a turn. */
export interface Caller {
  readonly line: Readonly<Line>;
  /** When it first asked, whether or not it waited outside since, and as which one. */
  readonly sinceMs: number;
  readonly order: number;
}

export const turnDefaults = {
  /** Whoever has waited this long is overdue, whatever its priority. */
  overdueAfterMs: 120_000,
  /** Every so many turns, one goes to those that are overdue: whatever comes before them, they get this share. */
  overdueEvery: 4,
} as const;

/**
 * Whose turn it is: the higher priority goes first, then all agents have equally many turns, then who came first. Agents that come back after they had
 * nothing to do have no turns saved up.
 */
export class Turns {
  readonly #lines = new Map<string, Line>();
  /** By priority: how many turns whoever had the last one had before. */
  readonly #last = new Map<number, number>();
  #given = 0;

  /** Somebody waits from now on, here or outside. */
  enter(agent: string, priority: number): Readonly<Line> {
    const key = `${priority} ${agent}`;
    const line = this.#lines.get(key) ?? { agent, priority, had: 0, waiting: 0 };
    this.#lines.set(key, line);
    if (line.waiting === 0) line.had = Math.max(line.had, this.#last.get(priority) ?? 0);
    line.waiting++;
    return line;
  }

  leave({ line }: Caller): void {
    (line as Line).waiting--;
  }

  /** The next one; null when nobody is there. */
  choose<T extends Caller>(callers: Iterable<T>, nowMs: number): T | null {
    const overdueBeforeMs = this.#isForOverdue ? nowMs - turnDefaults.overdueAfterMs : Number.NEGATIVE_INFINITY;
    let best: T | null = null;
    for (const caller of callers) if (best === null || isBefore(caller, best, overdueBeforeMs)) best = caller;
    return best;
  }

  give(caller: Caller): void {
    const { priority, had } = caller.line;
    this.#last.set(priority, Math.max(this.#last.get(priority) ?? 0, had));
    (caller.line as Line).had++;
    this.#given++;
    this.leave(caller);
  }

  /**
   * Who of those who wait has its turn before `caller`: all of a higher priority, those of its own agent who came earlier, and of each other agent as many
   * as have their turns by then. One that is overdue has its share, whoever else is there.
   */
  ahead<T extends Caller>(caller: Caller, waiting: readonly T[], nowMs: number): readonly T[] {
    const ahead = aheadByPriority(caller, waiting);
    if (!isOverdue(caller, nowMs)) return ahead;
    const before = waiting.filter((other) => other.order < caller.order && isOverdue(other, nowMs));
    return ahead.slice(0, before.length * turnDefaults.overdueEvery + turnDefaults.overdueEvery - 1);
  }

  /** Who of those that come back about now is waited for before `caller` goes. */
  aheadNow<T extends Caller>(caller: Caller, due: readonly T[], nowMs: number): readonly T[] {
    if (!this.#isForOverdue) return aheadByPriority(caller, due);
    const overdue = due.filter((other) => isOverdue(other, nowMs));
    if (isOverdue(caller, nowMs)) return overdue.filter((other) => other.order < caller.order);
    return [...overdue, ...aheadByPriority(caller, due.filter((other) => !isOverdue(other, nowMs)))];
  }

  get #isForOverdue(): boolean {
    return this.#given % turnDefaults.overdueEvery === turnDefaults.overdueEvery - 1;
  }
}

function aheadByPriority<T extends Caller>(caller: Caller, waiting: readonly T[]): readonly T[] {
  const ahead: T[] = [];
  const others = new Map<Readonly<Line>, T[]>();
  let turn = caller.line.had;
  for (const other of waiting) {
    if (other.line.priority > caller.line.priority) ahead.push(other);
    if (other.line.priority !== caller.line.priority) continue;
    if (other.line === caller.line) {
      if (other.order > caller.order) continue;
      ahead.push(other);
      turn++;
    } else {
      const list = others.get(other.line) ?? [];
      if (list.length === 0) others.set(other.line, list);
      list.push(other);
    }
  }
  for (const [{ had }, list] of others) {
    const inOrder = list.toSorted((a, b) => a.order - b.order);
    ahead.push(...inOrder.filter(({ order }, index) => had + index < turn || (had + index === turn && order < caller.order)));
  }
  return ahead;
}

function isBefore(a: Caller, b: Caller, overdueBeforeMs: number): boolean {
  const comesFirst = a.sinceMs <= overdueBeforeMs;
  if (comesFirst !== b.sinceMs <= overdueBeforeMs) return comesFirst;
  if (comesFirst) return a.order < b.order;
  if (a.line.priority !== b.line.priority) return a.line.priority > b.line.priority;
  return a.line.had === b.line.had ? a.order < b.order : a.line.had < b.line.had;
}

export function isOverdue({ sinceMs }: Pick<Caller, "sinceMs">, nowMs: number): boolean {
  return nowMs - sinceMs >= turnDefaults.overdueAfterMs;
}
