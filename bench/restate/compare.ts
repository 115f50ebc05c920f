import { openAdapterSide } from "./adapter-side.ts";
import { openBareSide } from "./bare-side.ts";
import type { Place } from "./place.ts";
import { processorTimes, type ProcessorTimes } from "./processor-time.ts";
import { median, type Side, type Times, type Workload } from "./workload.ts";

export interface Sizes {
  readonly rounds: number;
  /** Steps of the one run of (a) and (d), and of each of the many runs of (b). */
  readonly stepsLong: number;
  readonly runsLong: number;
  readonly stepsShort: number;
  readonly runsShort: number;
}

/** One line of the table. `ratio` is ours to the limit; whether more or less of it is wanted says `isMet`. */
export interface Finding {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  readonly limit: number;
  readonly ratio: number;
  readonly target: string;
  readonly isMet: boolean | null;
}

/** What can be measured by itself. */
export const parts = ["single", "long", "short", "kept", "guards"] as const;
export type Part = (typeof parts)[number];

const ratioMax = 1.1;
const throughputRatioMin = 0.9;

interface Measured extends Times {
  /** This process is the worker of both sides. */
  readonly cpuMs: ProcessorTimes;
  readonly commits: number;
}

interface Pair {
  readonly ours: Measured;
  readonly bare: Measured;
}

/** Measures both sides in turns, the first one changing with each round; each figure is the median of its rounds, and so is each ratio. */
export async function compare(place: Place, sizes: Sizes, only: readonly Part[] = parts): Promise<readonly Finding[]> {
  const [ours, bare] = [await openAdapterSide(place), await openBareSide(place)];
  try {
    const { stepsLong, runsLong, stepsShort, runsShort } = sizes;
    const inTurns = (workload: Workload): Promise<readonly Pair[]> => measureInTurns(place, { ours, bare }, workload, sizes.rounds);
    // Both are warm before anything counts.
    await inTurns({ runs: Math.min(20, runsLong), stepsPerRun: stepsLong, guards: false });
    const measurements: Readonly<Record<Part, () => Promise<readonly Finding[]>>> = {
      single: async () => latency("one run, step after step", await inTurns({ runs: 1, stepsPerRun: stepsLong, guards: false }), stepsLong),
      long: async () => throughput(`${runsLong} runs at once x ${stepsLong} steps`, await inTurns({ runs: runsLong, stepsPerRun: stepsLong, guards: false }), runsLong * stepsLong),
      async short() {
        const pairs = await inTurns({ runs: runsShort, stepsPerRun: stepsShort, guards: false });
        return [...throughput(`${runsShort} runs at once x ${stepsShort} steps`, pairs, runsShort * stepsShort), ...perRun(pairs, runsShort)];
      },
      async kept() {
        const pairs = await inTurns({ runs: runsShort, stepsPerRun: stepsShort, guards: false, kept: true });
        return throughput("the same; the bare side keeps its runs in PostgreSQL, too", pairs, runsShort * stepsShort);
      },
      guards: () => guards(place, { ours, bare }, sizes),
    };
    const findings: Finding[] = [];
    for (const part of only) findings.push(...(await measurements[part]()));
    return findings;
  } finally {
    await ours.close();
    await bare.close();
  }
}

interface Sides {
  readonly ours: Side;
  readonly bare: Side;
}

async function measureInTurns(place: Place, { ours, bare }: Sides, workload: Workload, rounds: number): Promise<readonly Pair[]> {
  const pairs: Pair[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const first = await measure(place, bare, workload);
      pairs.push({ bare: first, ours: await measure(place, ours, workload) });
    } else {
      const first = await measure(place, ours, workload);
      pairs.push({ ours: first, bare: await measure(place, bare, workload) });
    }
  }
  return pairs;
}

async function measure(place: Place, side: Side, workload: Workload): Promise<Measured> {
  const commitsBefore = await place.commits();
  const before = processorTimes();
  const times = await side.measure(workload);
  const after = processorTimes();
  const cpuMs = { worker: after.worker - before.worker, restate: after.restate - before.restate, postgres: after.postgres - before.postgres };
  return { ...times, cpuMs, commits: (await place.commits()) - commitsBefore };
}

function latency(what: string, pairs: readonly Pair[], steps: number): readonly Finding[] {
  return [
    finding({ what, unit: "ms a step", target: `<= ${ratioMax}` }, pairs, ({ runMs }) => runMs / steps),
    ...processors(what, pairs, steps),
  ];
}

function throughput(what: string, pairs: readonly Pair[], steps: number): readonly Finding[] {
  return [
    finding({ what, unit: "steps/s, from first to last line of code", target: `>= ${throughputRatioMin}` }, pairs, ({ codeMs }) => (steps / codeMs) * 1000),
    finding({ what, unit: "steps/s, from the first start to the last end", target: null }, pairs, ({ wholeMs }) => (steps / wholeMs) * 1000),
    ...processors(what, pairs, steps),
  ];
}

const processes = ["worker", "restate", "postgres"] as const;

function processors(what: string, pairs: readonly Pair[], steps: number): readonly Finding[] {
  const each = processes.map((name) => finding({ what, unit: `µs of processor a step: ${name}`, target: null }, pairs, ({ cpuMs }) => (cpuMs[name] / steps) * 1000));
  return [...each, finding({ what, unit: "µs of processor a step: all", target: null }, pairs, ({ cpuMs }) => ((cpuMs.worker + cpuMs.restate + cpuMs.postgres) / steps) * 1000)];
}

function perRun(pairs: readonly Pair[], runs: number): readonly Finding[] {
  return [finding({ what: "short runs", unit: "PostgreSQL commits a run", target: null }, pairs, ({ commits }) => commits / runs)];
}

/** A guard step beside a bare step that makes one commit of its own. */
async function guards(place: Place, sides: Sides, { rounds, stepsLong }: Sizes): Promise<readonly Finding[]> {
  const what = "guard steps, one after the other";
  const workload = { runs: 1, stepsPerRun: stepsLong };
  const [pairs, without] = [await measureInTurns(place, sides, { ...workload, guards: true }, rounds), await measureInTurns(place, sides, { ...workload, guards: false }, rounds)];
  const steps = pairs.map(({ ours, bare }) => ({ ours: ours.commits / stepsLong, bare: bare.commits / stepsLong }));
  const commits = { ours: median(steps.map(({ ours }) => ours)), limit: median(steps.map(({ bare }) => bare)) };
  return [
    finding({ what, unit: "ms a step; the limit is a bare step and a commit", target: null }, pairs, ({ runMs }) => runMs / stepsLong),
    finding({ what: "the same steps without guard", unit: "ms a step", target: null }, without, ({ runMs }) => runMs / stepsLong),
    { what, unit: "PostgreSQL commits a step, those of the run's own among them", target: `<= ${ratioMax}`, ...commits, ratio: commits.ours / commits.limit, isMet: commits.ours / commits.limit <= ratioMax },
  ];
}

interface Line {
  readonly what: string;
  readonly unit: string;
  readonly target: string | null;
}

function finding({ what, unit, target }: Line, pairs: readonly Pair[], figure: (measured: Measured) => number): Finding {
  const ratio = median(pairs.map(({ ours, bare }) => figure(ours) / figure(bare)));
  const isMet = target === null ? null : target.startsWith("<=") ? ratio <= ratioMax : ratio >= throughputRatioMin;
  return { what, unit, ours: median(pairs.map((pair) => figure(pair.ours))), limit: median(pairs.map((pair) => figure(pair.bare))), ratio, target: target ?? "-", isMet };
}
