/** Repetitions of the same calls with the same results, from which on the model is told, they are not made any more, and the run ends. */
export const loopLimits = { warnAt: 3, blockAt: 5, endAt: 8, cycleMax: 4 } as const;

export interface SeenTurn {
  /** What was called, with what. */
  readonly calls: string;
  /** What came of it. */
  readonly results: string;
}

/** How often the last turns say the same again; `period` turns make one round: 1 is the same turn over and over, 2 is to and fro. */
export interface Repetition {
  readonly rounds: number;
  readonly period: number;
  /** The last turn is the last one of a round. */
  readonly isWhole: boolean;
}

const none: Repetition = { rounds: 1, period: 1, isWhole: true };

/** The longest repetition at the end of the turns, with cycles of up to four turns. */
export function findRepetition(turns: readonly SeenTurn[]): Repetition {
  let found = none;
  for (let period = 1; period <= loopLimits.cycleMax; period++) {
    let same = 0;
    while (same + period < turns.length && isSame(turns.at(-1 - same), turns.at(-1 - same - period))) same++;
    const rounds = 1 + Math.floor(same / period);
    if (rounds > found.rounds) found = { rounds, period, isWhole: same % period === 0 };
  }
  return found;
}

/** What would be the next round of a repetition if these calls were made now, whatever came of them. */
export function expectRepetition(turns: readonly SeenTurn[], calls: string): Repetition & { readonly results: string | null } {
  let found: Repetition & { readonly results: string | null } = { ...none, results: null };
  for (let period = 1; period <= loopLimits.cycleMax; period++) {
    const before = turns.at(-period);
    if (before === undefined || before.calls !== calls) continue;
    const repetition = findRepetition([...turns, before]);
    if (repetition.period === period && repetition.rounds > found.rounds) found = { ...repetition, results: before.results };
  }
  return found;
}

function isSame(a: SeenTurn | undefined, b: SeenTurn | undefined): boolean {
  return a !== undefined && b !== undefined && a.calls === b.calls && a.results === b.results;
}
