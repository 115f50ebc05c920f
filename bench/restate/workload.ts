import { systemClock } from "../../src/base/clock.ts";

export interface Workload {
  /** All begin at once. */
  readonly runs: number;
  readonly stepsPerRun: number;
  /** Each step queues a message, which others see: it is stored in PostgreSQL with the step. */
  readonly guards: boolean;
  /** The bare side, too, keeps of each run in PostgreSQL what the engine keeps of it. */
  readonly kept?: boolean;
}

export interface Times {
  /** From the first line of the first run's code to the last line of the last one's. */
  readonly codeMs: number;
  /** The same of one run, the median of all. */
  readonly runMs: number;
  /** From the first call that starts a run until the end of each is known. */
  readonly wholeMs: number;
}

/** Who executes a workload and is measured at it. */
export interface Side {
  measure(workload: Workload): Promise<Times>;
  close(): Promise<void>;
}

/** Measures the code of runs. */
export class Stopwatch {
  readonly #beganAtMs: number[];
  readonly #endedAtMs: number[];

  constructor(runs: number) {
    this.#beganAtMs = Array.from({ length: runs }, () => Number.POSITIVE_INFINITY);
    this.#endedAtMs = Array.from({ length: runs }, () => Number.NaN);
  }

  /** Called again by a run that was called again; the first time counts. */
  begin(run: number): void {
    this.#beganAtMs[run] = Math.min(this.#beganAtMs[run] ?? 0, systemClock.monotonicMs());
  }

  end(run: number): void {
    this.#endedAtMs[run] = systemClock.monotonicMs();
  }

  times(): { readonly codeMs: number; readonly runMs: number } {
    return {
      codeMs: Math.max(...this.#endedAtMs) - Math.min(...this.#beganAtMs),
      runMs: median(this.#endedAtMs.map((atMs, run) => atMs - (this.#beganAtMs[run] ?? Number.NaN))),
    };
  }
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
