import { LonghaulError } from "./error.ts";

/** Money is whole millionths of a US dollar. */
export interface Money {
  readonly microUsd: number;
}

/**
 * An amount of US dollars, above 0 and at most 1,000,000.
 * @throws {OPTION_INVALID}
 */
export function usd(dollars: number): Money {
  if (!Number.isFinite(dollars) || dollars <= 0 || dollars > 1_000_000) {
    throw new LonghaulError("OPTION_INVALID", `usd(${dollars}) is not an amount. Use a number above 0 and at most 1000000.`);
  }
  return { microUsd: Math.max(1, Math.round(dollars * 1_000_000)) };
}

/** "$0.0123": four digits below a dollar, two above. */
export function formatUsd(microUsd: number): string {
  const dollars = microUsd / 1_000_000;
  return `$${dollars.toFixed(Math.abs(dollars) < 1 && microUsd !== 0 ? 4 : 2)}`;
}
