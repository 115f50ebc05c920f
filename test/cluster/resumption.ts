import type { Rest } from "./witness.ts";

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

/** A task, as the tables show it at the end. */
export interface SeenTask {
  readonly agent: string;
  readonly runId: string | null;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** How fast work went on. */
export interface Resumption {
  readonly fault: string;
  /** From when on it is counted: the blow, or when it was over for one that stops all. */
  readonly fromMs: number;
  /** Runs that executed where it hit. */
  readonly hit: number;
  readonly medianMs: number;
  readonly slowestMs: number;
  readonly slowestRun: string;
  /** The longest time in which no run of the cluster showed life, from the blow until it was over and some more. */
  readonly silenceMs: number;
  /** The longest time in which no run of one agent showed life or ended, while a task of it waited to be started all the while; and of which agent. */
  readonly starvedMs: number;
  readonly starved: string;
}

/** A run that showed no life for longer had left memory, and was hit by nothing. */
const liveMs = 1_000;
/** How long after a blow was over it is looked for silence. */
const aftermathMs = 1_000;

/** What was seen while blows fell. */
export interface Sight {
  readonly beats: readonly Beat[];
  readonly tasks: readonly SeenTask[];
  readonly rests: readonly Rest[];
}

/**
 * For each run that the blow hit: how long it took until a sign of life of it, from a worker that was not hit or is back, until the tables had it wait for something of its own, or its end; and when it was
 * woken while the blow lasted, how long it took from there. Counted from the blow, or from when it was over for a blow that stops all.
 */
export function computeResumption(blow: Blow, { beats, tasks, rests }: Sight): Resumption {
  const { fault, atMs, worker, backAtMs, isAwayForAll } = blow;
  const fromMs = isAwayForAll ? backAtMs : atMs;
  const untilMs = backAtMs + aftermathMs;
  const ends = new Map(tasks.map(({ runId, endedAtMs }) => [runId, endedAtMs ?? Number.POSITIVE_INFINITY]));
  const last = new Map<string, Beat>();
  for (const beat of beats) if (beat.atMs <= atMs && beat.atMs > atMs - liveMs && (last.get(beat.runId)?.atMs ?? 0) <= beat.atMs) last.set(beat.runId, beat);
  const hit = [...last.values()].filter((beat) => (worker === null || beat.worker === worker) && (ends.get(beat.runId) ?? Number.POSITIVE_INFINITY) > atMs);
  const took = hit.map(({ runId }) => {
    const signs = beats.filter((beat) => beat.runId === runId && (beat.worker !== worker || beat.atMs >= backAtMs)).map((beat) => beat.atMs);
    return { runId, ms: stoodStill([...signs, ends.get(runId) ?? Number.POSITIVE_INFINITY], rests.filter((rest) => rest.runId === runId), { fromMs, untilMs }) };
  });
  const sorted = took.toSorted((a, b) => a.ms - b.ms);
  const hungry = [...new Set(tasks.map(({ agent }) => agent))].map((agent) => ({ agent, ms: computeStarved(agent, beats, tasks, { fromMs, untilMs }) })).toSorted((a, b) => b.ms - a.ms)[0];
  return {
    fault, fromMs,
    hit: hit.length,
    medianMs: sorted[Math.floor(sorted.length / 2)]?.ms ?? 0,
    slowestMs: sorted.at(-1)?.ms ?? 0,
    slowestRun: sorted.at(-1)?.runId ?? "none",
    silenceMs: Math.max(...gapsOf(beats.map((beat) => beat.atMs), { fromMs: atMs, untilMs }).map(({ startMs, endMs }) => endMs - startMs)),
    starvedMs: hungry?.ms ?? 0,
    starved: hungry?.agent ?? "none",
  };
}

/** How long a run did not go on: from the blow on, and, where it waited, from when it was woken before the window ended. */
function stoodStill(signs: readonly number[], rests: readonly Rest[], { fromMs, untilMs }: Window): number {
  const rest = rests.find(({ wokenAtMs }) => (wokenAtMs ?? Number.POSITIVE_INFINITY) > fromMs);
  const firstMs = Math.min(...signs.filter((atMs) => atMs > fromMs));
  if (rest === undefined || rest.atMs >= firstMs) return firstMs - fromMs;
  const restedMs = Math.max(0, rest.atMs - fromMs);
  if (rest.wokenAtMs === null || rest.wokenAtMs > untilMs) return restedMs;
  return Math.max(restedMs, Math.min(...signs.filter((atMs) => atMs > rest.atMs)) - rest.wokenAtMs);
}

interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
}

function computeStarved(agent: string, beats: readonly Beat[], tasks: readonly SeenTask[], window: Window): number {
  const own = tasks.filter((task) => task.agent === agent);
  const runs = new Set(own.map(({ runId }) => runId));
  const ends = own.flatMap(({ endedAtMs }) => (endedAtMs === null ? [] : [endedAtMs]));
  const signs = [...beats.filter(({ runId }) => runs.has(runId)).map(({ atMs }) => atMs), ...ends];
  const starved = gapsOf(signs, window).flatMap(({ startMs, endMs }) =>
    // A task that came in the middle of a silence starved from then on.
    own.filter(({ createdAtMs, startedAtMs }) => createdAtMs < endMs && (startedAtMs ?? Number.POSITIVE_INFINITY) >= endMs).map(({ createdAtMs }) => endMs - Math.max(startMs, createdAtMs)),
  );
  return Math.max(0, ...starved);
}

/** The times without a sign, in a window of time. */
function gapsOf(signs: readonly number[], { fromMs, untilMs }: Window): readonly { readonly startMs: number; readonly endMs: number }[] {
  const times = [fromMs, ...signs.filter((atMs) => atMs > fromMs && atMs < untilMs).toSorted((a, b) => a - b), untilMs];
  return times.slice(1).map((endMs, index) => ({ startMs: times[index] ?? endMs, endMs }));
}
