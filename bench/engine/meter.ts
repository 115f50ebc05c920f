import { systemClock } from "../../src/base/clock.ts";

/** What a piece of work took. */
export interface Used {
  readonly ms: number;
  /** Of the processor, all threads of this process: on a machine that others use too, this says more than the time. */
  readonly cpuMs: number;
}

export class Meter {
  readonly #beganAtMs = systemClock.monotonicMs();
  readonly #cpu = process.cpuUsage();

  elapsedMs(): number {
    return systemClock.monotonicMs() - this.#beganAtMs;
  }

  used(): Used {
    const { user, system } = process.cpuUsage(this.#cpu);
    return { ms: this.elapsedMs(), cpuMs: (user + system) / 1_000 };
  }
}

/** The share `at` (0 to 1) of the numbers is not above what this returns. */
export function quantile(numbers: readonly number[], at: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}
