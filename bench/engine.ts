import { parseArgs } from "node:util";
import { compareWithBare, type Comparison } from "./engine/compare.ts";
import type { Workload } from "./engine/steps-workload.ts";

// The engine beside a bare group-commit loop that writes the rows which the engine left, on the same disk in the same run, in turns: `npm run bench:engine`.
// `--min 0.35` ends with 1 when a ratio of processor times is lower; `--only records` leaves out the workloads whose name does not have that word.
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" }, ms: { type: "string", default: "2500" }, min: { type: "string" }, only: { type: "string", default: "" }, json: { type: "boolean", default: false },
  },
});
const workloads: Readonly<Record<string, Workload>> = {
  "sequential: one run of 200 steps after the other": { stepsPerRun: 200, concurrency: 1, records: false },
  "short runs: 10 steps, 200 at once, journal only": { stepsPerRun: 10, concurrency: 200, records: false },
  "short runs: 10 steps, 200 at once, full records": { stepsPerRun: 10, concurrency: 200, records: true },
  "long runs: 50 steps, 200 at once, journal only": { stepsPerRun: 50, concurrency: 200, records: false },
  "long runs: 50 steps, 200 at once, full records": { stepsPerRun: 50, concurrency: 200, records: true },
};
const results: Record<string, Comparison> = {};
for (const [name, workload] of Object.entries(workloads)) {
  if (name.includes(values.only)) results[name] = await compareWithBare(workload, { rounds: Number(values.rounds), ms: Number(values.ms) });
}
if (values.json) console.log(JSON.stringify(results));
else console.table(Object.fromEntries(Object.entries(results).map(([name, comparison]) => [name, rounded(comparison)])));
const lowest = Math.min(...Object.values(results).map(({ cpuRatio }) => cpuRatio));
if (values.min !== undefined && lowest < Number(values.min)) {
  console.error(`The lowest ratio of processor times is ${lowest.toFixed(3)}; at least ${values.min} is asked.`);
  process.exitCode = 1;
}

function rounded(comparison: Comparison): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(comparison).map(([name, figure]: [string, number]) => [name, Number(figure.toPrecision(3))]));
}
