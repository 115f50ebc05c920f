import { parseArgs } from "node:util";
import { fitSlope } from "../test/soak/slope.ts";
import { type Sample, soakRuns } from "../test/soak/soak-runs.ts";
import { refuseUsage } from "./refuse-usage.ts";

/**
 * Runs of every kind, in one process, on a data file, by a virtual clock; after each so many of them, the heap without its garbage, and at the end what is still held.
 *
 *   npm run soak:runs                     200,000 runs
 *   npm run soak:runs -- --runs 20000
 *
 * Exits with 1 when the heap may grow by more than 25 bytes a run (which is 5 MB in 200,000), with a confidence of 95 %, or when anything is still held.
 */
const { values } = parseArgs({ options: { runs: { type: "string", default: "200000" } } });
const runs = Number(values.runs);
const samplesCount = 40;
const perSample = runs / samplesCount;
if (!Number.isInteger(perSample / 100)) refuseUsage(`--runs is ${values.runs}. Use a multiple of ${samplesCount * 100}.`);
const perRunMax = 25;
/** While caches fill. */
const warmUp = samplesCount / 4;

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
const tell = ({ runs: done, heapBytes, rssBytes, timers }: Sample): void => console.log(`${String(done).padStart(7)} runs  heap ${megabytes(heapBytes)}  resident ${megabytes(rssBytes)}  timers ${timers}`);

const fromMs = performance.now();
const { samples, grown, left } = await soakRuns({ runs, perSample, onSample: tell });
const { perX, margin } = fitSlope(samples.slice(warmUp).map((sample) => ({ x: sample.runs, y: sample.heapBytes })));
console.log(`${runs} runs in ${((performance.now() - fromMs) / 1000).toFixed(0)} s`);
console.log(`heap: ${perX.toFixed(2)} ± ${margin.toFixed(2)} bytes a run (95 %), from ${samples.length - warmUp} samples after the first ${warmUp}`);
console.log(`held after the last run and not after the first: ${JSON.stringify(grown)}`);
console.log(`held after the team was closed and not before it was opened: ${JSON.stringify(left)}`);
if (perX + margin > perRunMax || Object.keys({ ...grown, ...left }).length > 0) process.exitCode = 1;
