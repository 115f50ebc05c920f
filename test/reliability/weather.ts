import { LonghaulError } from "../../src/base/error.ts";
import { integerBetween, seededRandom } from "../../src/base/random.ts";

/** How the outside behaves: how long things take and what fails. Each answer depends on what is asked alone, not on what was asked before. */
export interface Weather {
  readonly latencyMs: (what: string, usualMs: number) => number;
  readonly modelError: (what: string, atMs: number) => Error | null;
  readonly toolError: (what: string, atMs: number) => Error | null;
}

export const calm: Weather = { latencyMs: (_, usualMs) => usualMs, modelError: () => null, toolError: () => null };

export interface WeatherOptions {
  /** Whether latencies differ from the usual ones. */
  readonly isUneven: boolean;
  /** Shares of calls that fail, 0 to 1. */
  readonly modelErrorRatio: number;
  readonly toolErrorRatio: number;
  /** Nothing fails from then on. */
  readonly untilMs: number;
}

export function stormyWeather(seed: string, { isUneven, modelErrorRatio, toolErrorRatio, untilMs }: WeatherOptions): Weather {
  const at = (what: string): number => seededRandom(`${seed}/${what}`).next();
  return {
    // Mostly near the usual, sometimes thirty times as long.
    latencyMs: (what, usualMs) => (isUneven ? Math.round(usualMs * (at(`${what}/slow`) < 0.05 ? 30 : 0.2 + 2 * at(`${what}/latency`))) : usualMs),
    modelError: (what, atMs) => (atMs < untilMs && at(`${what}/model`) < modelErrorRatio ? modelErrors[integerBetween(seededRandom(`${seed}/${what}/kind`), 0, modelErrors.length - 1)]?.() ?? null : null),
    toolError: (what, atMs) => (atMs < untilMs && at(`${what}/tool`) < toolErrorRatio ? new Error("the other side answers with an error") : null),
  };
}

const modelErrors: readonly (() => Error)[] = [
  () => new LonghaulError("MODEL_OVERLOADED", "the provider is overloaded", { retry: "backoff", details: { status: 529 } }),
  () => new LonghaulError("MODEL_THROTTLED", "too many requests", { retry: { afterMs: 2_000 }, details: { status: 429 } }),
  () => new LonghaulError("MODEL_TIMEOUT", "no chunk for 30 s", { retry: "backoff" }),
];
