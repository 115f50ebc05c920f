/** A sign of life of a run: a body of it began or ended in this worker. */
export interface Beat {
  readonly worker: string;
  readonly runId: string;
  readonly atMs: number;
}

/** What hit the cluster. */
export interface Blow {
  readonly fault: string;
  readonly atMs: number;
  /** The worker that it hit; null: all runs were hit. */
  readonly worker: string | null;
  readonly backAtMs: number;
  /** True when no run could go on before it was back. */
  readonly isAwayForAll: boolean;
}

/** How fast work went on. */
export interface Resumption {
  readonly fault: string;
  /** Runs that executed where it hit. */
  readonly hit: number;
  readonly medianMs: number;
  readonly slowestMs: number;
  readonly slowestRun: string;
  /** The longest time in which no run of the cluster showed life, from the blow until it was over and some more. */
  readonly silenceMs: number;
}

/** A run that showed no life for longer had left memory, and was hit by nothing. */
const liveMs = 1_000;
/** How long after a blow was over it is looked for silence. */
const aftermathMs = 1_000;

/** For each run that the blow hit: how long it took until a sign of life of it, from a worker that was not hit or is back, or its end. Counted from the blow, or from when it was over for a blow that stops all. */
export function computeResumption(blow: Blow, beats: readonly Beat[], ends: ReadonlyMap<string, number>): Resumption {
  const { fault, atMs, worker, backAtMs, isAwayForAll } = blow;
  const fromMs = isAwayForAll ? backAtMs : atMs;
  const last = new Map<string, Beat>();
  for (const beat of beats) if (beat.atMs <= atMs && beat.atMs > atMs - liveMs && (last.get(beat.runId)?.atMs ?? 0) <= beat.atMs) last.set(beat.runId, beat);
  const hit = [...last.values()].filter((beat) => (worker === null || beat.worker === worker) && (ends.get(beat.runId) ?? Number.POSITIVE_INFINITY) > atMs);
  const took = hit.map(({ runId }) => {
    const signs = beats.filter((beat) => beat.runId === runId && beat.atMs > fromMs && (beat.worker !== worker || beat.atMs >= backAtMs)).map((beat) => beat.atMs);
    const endAtMs = ends.get(runId) ?? Number.POSITIVE_INFINITY;
    return { runId, ms: Math.max(0, Math.min(endAtMs, ...signs) - fromMs) };
  });
  const sorted = took.toSorted((a, b) => a.ms - b.ms);
  return { fault, hit: hit.length, medianMs: sorted[Math.floor(sorted.length / 2)]?.ms ?? 0, slowestMs: sorted.at(-1)?.ms ?? 0, slowestRun: sorted.at(-1)?.runId ?? "none", silenceMs: computeSilence(beats, atMs, backAtMs + aftermathMs) };
}

function computeSilence(beats: readonly Beat[], fromMs: number, untilMs: number): number {
  const times = [fromMs, ...beats.map((beat) => beat.atMs).filter((atMs) => atMs > fromMs && atMs < untilMs).toSorted((a, b) => a - b), untilMs];
  return Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? atMs)));
}
