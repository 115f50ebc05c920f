/** Who waits for a turn. */
export interface Caller {
  readonly agent: string;
  /** Higher goes first. */
  readonly priority: number;
  /** When it first asked, whether or not it waited outside since. */
  readonly sinceMs: number;
}

export const turnDefaults = {
  /** Whoever has waited this long is overdue, whatever its priority. */
  overdueAfterMs: 120_000,
  /** Every so many turns, one goes to whoever is overdue the longest: however many come before them, they get this share. */
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
    const isForOverdue = this.#given % turnDefaults.overdueEvery === turnDefaults.overdueEvery - 1;
    let best: T | null = null;
    for (const caller of callers) if (best === null || this.#isBefore(caller, best, isForOverdue ? nowMs - turnDefaults.overdueAfterMs : Number.NEGATIVE_INFINITY)) best = caller;
    return best;
  }

  give({ agent }: Caller): void {
    const had = this.#had.get(agent) ?? this.#last;
    this.#last = Math.max(this.#last, had);
    this.#had.set(agent, had + 1);
    this.#given++;
  }

  #isBefore(a: Caller, b: Caller, overdueBeforeMs: number): boolean {
    if (a.sinceMs <= overdueBeforeMs || b.sinceMs <= overdueBeforeMs) return a.sinceMs < b.sinceMs;
    if (a.priority !== b.priority) return a.priority > b.priority;
    const hadA = this.#had.get(a.agent) ?? 0;
    const hadB = this.#had.get(b.agent) ?? 0;
    return hadA === hadB ? a.sinceMs < b.sinceMs : hadA < hadB;
  }
}

/** Who goes before `caller` of those who wait: all of a higher priority, those of its own agent who came earlier, of each other agent as many, and one more who came earlier. */
export function listAhead<T extends Caller>(caller: Caller, waiting: Iterable<T>): readonly T[] {
  const ahead: T[] = [];
  const others = new Map<string, T[]>();
  let own = 0;
  for (const other of waiting) {
    if (other.priority > caller.priority) ahead.push(other);
    if (other.priority !== caller.priority) continue;
    if (other.agent === caller.agent) {
      if (other.sinceMs > caller.sinceMs) continue;
      ahead.push(other);
      own++;
    } else {
      const list = others.get(other.agent) ?? [];
      if (list.length === 0) others.set(other.agent, list);
      list.push(other);
    }
  }
  return ahead.concat(...[...others.values()].map((list) => list.filter(({ sinceMs }, index) => index < own || (index === own && sinceMs <= caller.sinceMs))));
}
