import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Measured } from "./cost/measure.ts";
import { drawPlot } from "./cost/plot.ts";

/**
 * What a task costs, by how many agents a team has and how many tasks it has done before: time of each of the next 1,000, and memory. Each number of agents is a process of its own.
 *
 *   npm run bench:cost                      1, 10, 50, 500 agents; after 1, 10, 100 thousand tasks
 *   npm run bench:cost -- --tasks 10000     not so many
 *   npm run bench:cost -- --write           and writes the plot and the table in docs/measurements
 */
const { values } = parseArgs({ options: { tasks: { type: "string", default: "100000" }, write: { type: "boolean", default: false } } });
const tasksMax = Number(values.tasks);
const measured: Measured[] = [1, 10, 50, 500].flatMap((agents) => {
  const child = execFileSync(process.execPath, ["--conditions=longhaul-source", "--expose-gc", join(import.meta.dirname, "cost/measure.ts"), String(agents), String(tasksMax)], { encoding: "utf8", maxBuffer: 10_000_000, stdio: ["ignore", "pipe", "inherit"] });
  const seen = JSON.parse(child) as readonly Measured[];
  for (const each of seen) console.log(rowOf(each));
  return seen;
});

function rowOf({ agents, tasks, msPerTask, heapMb, residentMb, bytesPerTask }: Measured): string {
  return `| ${agents} | ${tasks.toLocaleString("en-US")} | ${msPerTask.toFixed(2)} | ${heapMb.toFixed(1)} | ${residentMb.toFixed(0)} | ${bytesPerTask === null ? "" : bytesPerTask.toFixed(0)} |`;
}

const folder = join(import.meta.dirname, "../docs/measurements");
if (values.write) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "cost.svg"), drawPlot(measured));
  const page = join(folder, "retention.md");
  const [before = "", , after = ""] = readFileSync(page, "utf8").split(/<!-- cost -->\n|<!-- end of cost -->\n/);
  const machine = `Measured on ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}, the data file in memory.`;
  const table = ["| agents | tasks before | ms a task | heap, MB | resident, MB | bytes of file a task |", "|---|---|---|---|---|---|", ...measured.map(rowOf)].join("\n");
  writeFileSync(page, `${before}<!-- cost -->\n${machine}\n\n${table}\n<!-- end of cost -->\n${after}`);
}
