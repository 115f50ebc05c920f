import { parseArgs } from "node:util";
import { readRows, writeBare } from "./engine/bare-loop.ts";
import { openFile, runOnEngine, type Workload } from "./engine/steps-workload.ts";

// The engine beside a bare group-commit loop that writes identical rows, on the same disk in the same run, in turns: `npm run bench:engine`.
// `--min 0.25` ends with 1 when a ratio is lower.
const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" }, runs: { type: "string", default: "2000" }, min: { type: "string" }, json: { type: "boolean", default: false } } });
const concurrency = 200;
const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

interface Round {
  readonly engine: number;
  readonly bare: number;
  readonly groupSize: number;
}

/** Steps per second of the engine, then of the bare loop with the rows that the engine left, in groups as large as the engine's were. */
async function round(workload: Workload): Promise<Round> {
  const steps = workload.runs * workload.stepsPerRun;
  const ours = openFile();
  const engine = await runOnEngine(ours.db, workload);
  const rows = readRows(ours.db, workload.records ? ["lh_journal", "lh_record"] : ["lh_journal"]);
  ours.remove();
  const groupSize = Math.max(1, Math.round(steps / engine.commits));
  const theirs = openFile();
  const bare = await writeBare(theirs.db, rows, groupSize);
  theirs.remove();
  return { engine: (steps / engine.ms) * 1000, bare: (steps / bare.ms) * 1000, groupSize };
}

const runs = Number(values.runs);
const workloads: Readonly<Record<string, Workload>> = {
  "journal rows only, 200 runs at once": { runs, stepsPerRun: 50, concurrency, records: false },
  "with one full record a step": { runs: runs / 2, stepsPerRun: 50, concurrency, records: true },
  "one run of sequential steps": { runs: 1, stepsPerRun: 4_000, concurrency: 1, records: false },
};
const results: { readonly workload: string; readonly engine: number; readonly bare: number; readonly ratio: number; readonly groupSize: number }[] = [];
for (const [name, workload] of Object.entries(workloads)) {
  const rounds: Round[] = [];
  for (let index = 0; index < Number(values.rounds); index++) rounds.push(await round(workload));
  results.push({
    workload: name,
    engine: Math.round(median(rounds.map(({ engine }) => engine))),
    bare: Math.round(median(rounds.map(({ bare }) => bare))),
    ratio: Math.round(median(rounds.map(({ engine, bare }) => engine / bare)) * 1000) / 1000,
    groupSize: median(rounds.map(({ groupSize }) => groupSize)),
  });
}
if (values.json) console.log(JSON.stringify(results));
else console.table(Object.fromEntries(results.map(({ workload, ...figures }) => [workload, figures])));
const lowest = Math.min(...results.map(({ ratio }) => ratio));
if (values.min !== undefined && lowest < Number(values.min)) {
  console.error(`The lowest ratio is ${lowest}; at least ${values.min} is asked.`);
  process.exitCode = 1;
}
