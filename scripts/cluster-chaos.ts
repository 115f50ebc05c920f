import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { planOf } from "../test/cluster/fault-plan.ts";
import { tellStory } from "../test/cluster/story.ts";
import { refuseUsage } from "./refuse-usage.ts";

/**
 * A cluster of three Restate nodes, PostgreSQL and three workers lives through kills, freezes and cuts, and is judged by what it keeps.
 *
 *   npm run cluster-chaos -- --seeds 10          so many seeds, from 1 on, or from --from
 *   npm run cluster-chaos -- --seed 7            one seed, as a failure prints it
 *   npm run cluster-chaos -- --seed 7 --short    the story that CI tells
 *   npm run cluster-chaos -- --seed 7 --busy 3   beside so many threads that only count: what a quiet machine hides
 *
 * Exits with 1 when a promise is broken.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    short: { type: "boolean", default: false },
    busy: { type: "string", default: "0" },
    "resume-ms": { type: "string", default: "10000" },
    verbose: { type: "boolean", default: false },
  },
});

/** More, and the cluster does not even start. */
const busyMax = 16;
const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const busy = Number(values.busy);
if (!Number.isInteger(first) || !Number.isInteger(count) || count < 1) refuseUsage("--seed, --seeds and --from are whole numbers.");
if (!Number.isInteger(busy) || busy < 0 || busy > busyMax) refuseUsage(`--busy is ${values.busy}, not a whole number from 0 to ${busyMax}.`);
const counting = Array.from({ length: busy }, () => new Worker("for (;;);", { eval: true }));
let failures = 0;
for (let seed = first; seed < first + count; seed++) {
  const report = await tellStory({ plan: planOf(seed, { isShort: values.short }), resumeMsMax: Number(values["resume-ms"]), onProgress: (what) => values.verbose && console.log(`  … ${what}`) });
  console.log(`seed ${seed}: ${report.tasks} tasks, ${report.effects} effects, ${Math.round(report.tookMs / 1_000)} s, ${report.violations.length} violations`);
  for (const { fault, hit, medianMs, slowestMs, silenceMs, starvedMs } of report.resumptions) console.log(`  ${String(slowestMs).padStart(6)} ms slowest, ${String(medianMs).padStart(5)} median of ${String(hit).padStart(2)} runs hit, ${String(silenceMs).padStart(5)} ms silence of all, ${String(starvedMs).padStart(5)} of an agent with work: ${fault}`);
  for (const trouble of values.verbose ? report.troubles : []) console.log(`  told: ${trouble}`);
  for (const violation of report.violations.slice(0, 40)) console.log(`✗ ${violation}`);
  if (report.violations.length > 0) {
    failures++;
    console.log(`again: npm run cluster-chaos -- --seed ${seed}${values.short ? " --short" : ""}${busy > 0 ? ` --busy ${busy}` : ""}`);
  }
}
await Promise.all(counting.map((thread) => thread.terminate()));
process.exitCode = failures > 0 ? 1 : 0;
