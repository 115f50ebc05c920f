/** Finite and named: an agent of which less is known is left alone. */
export const spendDefaults = {
  /** Tasks that an agent has done before it is compared with itself. */
  samplesMin: 100,
  /** Its newest tasks that are looked at. */
  samplesMax: 200,
  /** Of the 99th percentile: from here on it is recorded. */
  warnFactor: 2,
  /** Of the 99th percentile: from here on the run makes no further model call. */
  endFactor: 4,
  /** Whatever the history says, less than this ends nothing. */
  floorMicroUsd: 100_000,
  floorTokens: 100_000,
} as const;

/** What a task has spent since it began, or between two marks of progress. */
export interface Spend {
  readonly microUsd: number;
  /** Counts where models have no price. */
  readonly tokens: number;
}

export interface SpendVerdict {
  readonly what: "warn" | "end";
  readonly unit: "microUsd" | "tokens";
  readonly spent: number;
  readonly percentile99: number;
  readonly limit: number;
}

/** The 99th percentile of what an agent's tasks spent for one mark of progress; null when it has done too few. Those that asked no model, having found nothing to do, say nothing of those that do. */
export function computeUsualSpend(tasks: readonly Spend[]): Spend | null {
  const samples = tasks.filter(({ microUsd, tokens }) => microUsd > 0 || tokens > 0);
  if (samples.length < spendDefaults.samplesMin) return null;
  return { microUsd: percentile99(samples.map(({ microUsd }) => microUsd)), tokens: percentile99(samples.map(({ tokens }) => tokens)) };
}

/**
 * What is to become of a run that has spent this much without progress; null while it does as it usually does. Of what has a price the money counts, of other models the tokens.
 * Money alone says nothing where it has another price than it had: as far as tokens are known of both, they have to be as far beyond.
 */
export function judgeSpend(spent: Spend, usual: Spend): SpendVerdict | null {
  const unit = spent.microUsd > 0 || usual.microUsd > 0 ? "microUsd" : "tokens";
  const floor = unit === "microUsd" ? spendDefaults.floorMicroUsd : spendDefaults.floorTokens;
  for (const what of ["end", "warn"] as const) {
    const factor = what === "end" ? spendDefaults.endFactor : spendDefaults.warnFactor;
    const limit = Math.max(factor * usual[unit], what === "end" ? floor : (floor * spendDefaults.warnFactor) / spendDefaults.endFactor);
    const isMerelyDearer = usual.tokens > 0 && spent.tokens > 0 && spent.tokens <= factor * usual.tokens;
    if (spent[unit] > limit && !isMerelyDearer) return { what, unit, spent: spent[unit], percentile99: usual[unit], limit };
  }
  return null;
}

function percentile99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1] ?? 0;
}
