/** Who waits for a turn. */
export interface Caller {
  readonly agent: string;
  /** Higher goes first. */
  readonly priority: number;
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
 * Whose turn it is: priority decides first, then each agent has as many turns as any other, then who came first. Agents that come back after they had
 * nothing to do have no turns saved up.
 */
export class Turns {
  readonly #had = new Map<string, number>();
  #last = 0;
  #given = 0;

  /** `isBack`: the agent had nobody waiting. */
  enter(agent: string, isBack: boolean): void {
    const had = this.#had.get(agent);
    if (had === undefined || (isBack && had < this.#last)) this.#had.set(agent, this.#last);
  }

  /** The next one; null when nobody is there. */
  choose<T extends Caller>(callers: Iterable<T>, nowMs: number): T | null {
    let best: T | null = null;
    for (const caller of callers) if (best === null || this.#isBefore(caller, best, this.#isForOverdue ? nowMs - turnDefaults.overdueAfterMs : Number.NEGATIVE_INFINITY)) best = caller;
    return best;
  }

  give({ agent }: Caller): void {
    const had = this.#had.get(agent) ?? this.#last;
    this.#last = Math.max(this.#last, had);
    this.#had.set(agent, had + 1);
    this.#given++;
  }

  /**
   * Who of those who wait has its turn before `caller`: all of a higher priority, those of its own agent who came earlier, and of each other agent as many
   * as have their turns by then. One that is overdue has its share, whoever else is there.
   */
  ahead<T extends Caller>(caller: Caller, waiting: readonly T[], nowMs: number): readonly T[] {
    const ahead = this.#aheadByPriority(caller, waiting);
    if (!isOverdue(caller, nowMs)) return ahead;
    const before = waiting.filter((other) => other.order < caller.order && isOverdue(other, nowMs));
    return ahead.slice(0, before.length * turnDefaults.overdueEvery + turnDefaults.overdueEvery - 1);
  }

  /** Who of those that come back about now is waited for before `caller` goes. */
  aheadNow<T extends Caller>(caller: Caller, due: readonly T[], nowMs: number): readonly T[] {
    if (this.#isForOverdue && isOverdue(caller, nowMs)) return due.filter((other) => other.order < caller.order && isOverdue(other, nowMs));
    return this.#aheadByPriority(caller, due);
  }

  get #isForOverdue(): boolean {
    return this.#given % turnDefaults.overdueEvery === turnDefaults.overdueEvery - 1;
  }

  #aheadByPriority<T extends Caller>(caller: Caller, waiting: readonly T[]): readonly T[] {
    const ahead: T[] = [];
    const others = new Map<string, T[]>();
    let turn = this.#had.get(caller.agent) ?? this.#last;
    for (const other of waiting) {
      if (other.priority > caller.priority) ahead.push(other);
      if (other.priority !== caller.priority) continue;
      if (other.agent === caller.agent) {
        if (other.order > caller.order) continue;
        ahead.push(other);
        turn++;
      } else {
        const list = others.get(other.agent) ?? [];
        if (list.length === 0) others.set(other.agent, list);
        list.push(other);
      }
    }
    for (const [agent, list] of others) {
      const had = this.#had.get(agent) ?? this.#last;
      ahead.push(...list.toSorted((a, b) => a.order - b.order).filter(({ order }, index) => had + index < turn || (had + index === turn && order < caller.order)));
    }
    return ahead;
  }

  #isBefore(a: Caller, b: Caller, overdueBeforeMs: number): boolean {
    const comesFirst = a.sinceMs <= overdueBeforeMs;
    if (comesFirst !== b.sinceMs <= overdueBeforeMs) return comesFirst;
    if (!comesFirst && a.priority !== b.priority) return a.priority > b.priority;
    const hadA = this.#had.get(a.agent) ?? 0;
    const hadB = this.#had.get(b.agent) ?? 0;
    return hadA === hadB ? a.order < b.order : hadA < hadB;
  }
}

function isOverdue({ sinceMs }: Caller, nowMs: number): boolean {
  return nowMs - sinceMs >= turnDefaults.overdueAfterMs;
}
