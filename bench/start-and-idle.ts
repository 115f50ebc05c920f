import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { tellFigures } from "./targets.ts";

// Start to first completed task of a team of plain code, and idle memory and idle processor time of that team's worker and supervisor and of a worker with ten agents and a model
// provider (a simulated one), beside a bare Node process on the same machine: `npm run bench`. `--strict` ends with 1 when a target is missed. Linux only: it reads /proc. Needs a build.
const { values: options } = parseArgs({ options: { strict: { type: "boolean", default: false } } });
const root = join(import.meta.dirname, "..");
const rounds = 5;
const idleMs = 20_000;
/** Until V8 has given back what loading took: about half a minute. */
const untilIdleMs = 40_000;
const ticksPerSecond = 100;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function bareStartMs(): number {
  const from = performance.now();
  spawnSync(process.execPath, ["-e", "0"]);
  return performance.now() - from;
}

interface Team {
  readonly firstTaskMs: number;
  readonly supervisor: number;
  readonly worker: number;
  stop(): Promise<void>;
}

async function startTeam(file: string, environment: Readonly<Record<string, string>> = {}): Promise<Team> {
  const data = mkdtempSync(join(tmpdir(), "longhaul-bench-"));
  const from = performance.now();
  const child = spawn(process.execPath, [join(root, "bin/longhaul.js"), "start", join(root, "test/bench/fixture", file), "--data", data, "--json"], { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...environment } });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('"done(')) break;
  return {
    firstTaskMs: performance.now() - from,
    supervisor: child.pid ?? 0,
    worker: Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0]),
    async stop() {
      child.stdout.resume();
      child.kill("SIGINT");
      await ended;
      rmSync(data, { recursive: true });
    },
  };
}

/** Resident memory in MB and processor time in ms of a process, by the kernel's count. */
function usageOf(pid: number): { readonly rssMb: number; readonly cpuMs: number } {
  const rssKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  return { rssMb: rssKb / 1024, cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond };
}

const sumCpu = (usages: readonly { readonly cpuMs: number }[]): number => usages.reduce((sum, { cpuMs }) => sum + cpuMs, 0);

/** What a team takes that has nothing to do. */
async function idleUsageOf(team: Team): Promise<{ readonly workerMb: number; readonly supervisorMb: number; readonly cpuMsPerSecond: number }> {
  await new Promise((resolve) => setTimeout(resolve, untilIdleMs));
  const pids = [team.worker, team.supervisor];
  const before = pids.map(usageOf);
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const after = pids.map(usageOf);
  await team.stop();
  return { workerMb: after[0]?.rssMb ?? 0, supervisorMb: after[1]?.rssMb ?? 0, cpuMsPerSecond: (sumCpu(after) - sumCpu(before)) / (idleMs / 1000) };
}

/** The address of a simulated provider. */
async function startProvider(): Promise<{ readonly url: string; readonly stop: () => void }> {
  const child = spawn(process.execPath, [join(root, "bin/longhaul.js"), "fake-provider", "--port", "0", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) {
    const { urls } = JSON.parse(line) as { readonly urls?: { readonly anthropic: string } };
    if (urls !== undefined) return { url: urls.anthropic, stop: () => void child.kill("SIGINT") };
  }
  throw new Error("The simulated provider did not start.");
}

const bare = Array.from({ length: rounds }, bareStartMs);
const starts: number[] = [];
for (let round = 0; round <= rounds; round++) {
  const team = await startTeam("idle-team.ts");
  // The first one is that after an installation: what it compiled is kept.
  if (round > 0) starts.push(team.firstTaskMs);
  await team.stop();
}
const plain = await idleUsageOf(await startTeam("idle-team.ts"));
const provider = await startProvider();
const ten = await idleUsageOf(await startTeam("ten-agents.ts", { ANTHROPIC_BASE_URL: provider.url, ANTHROPIC_API_KEY: "simulated" }));
provider.stop();

tellFigures({
  "bare Node start (ms)": { figure: Math.round(median(bare)), most: "" },
  "start to first completed task (ms)": { figure: Math.round(median(starts)), most: 240 },
  "the same, times bare": { figure: Number((median(starts) / median(bare)).toFixed(1)), most: "" },
  "idle memory of the worker (MB)": { figure: Math.round(plain.workerMb), most: 120 },
  "idle memory of the supervisor (MB)": { figure: Math.round(plain.supervisorMb), most: 50 },
  "idle processor time of both (ms per s)": { figure: Number(plain.cpuMsPerSecond.toFixed(2)), most: "" },
  "idle memory of a worker with ten agents and a provider (MB)": { figure: Math.round(ten.workerMb), most: 120 },
  "idle processor time of it and its supervisor (ms per s)": { figure: Number(ten.cpuMsPerSecond.toFixed(2)), most: "" },
}, options.strict);
