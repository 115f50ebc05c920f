import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { systemRandom } from "../src/base/random.ts";
import { refuseUsage } from "./refuse-usage.ts";

// The long mode of test/races: `npm run races -- --runs 5000 --seed 7 drain-submit`. Each race is tried in so many orders, with a seed of its own unless one is given.

const { values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: "string", default: "2000" }, seed: { type: "string" } } });
const seed = values.seed ?? String(Math.floor(systemRandom.next() * 1e9));
if (![values.runs, seed].every((text) => /^\d+$/.test(text))) refuseUsage(`--runs ${values.runs} --seed ${seed}: give whole numbers.`);
const files = positionals.length === 0 ? ["test/races/"] : positionals.map((name) => `test/races/${name}`);
console.log(`RACE_RUNS=${values.runs} RACE_SEED=${seed} ${files.join(" ")}`);
const { status } = spawnSync("npx", ["vitest", "run", "--project", "unit", ...files], { stdio: "inherit", env: { ...process.env, RACE_RUNS: values.runs, RACE_SEED: seed } });
process.exitCode = status ?? 1;
