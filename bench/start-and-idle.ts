import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// Start to first completed task, idle memory and idle processor time of a team, beside a bare Node process on the same machine: `node bench/start-and-idle.ts`.
// Linux only: it reads /proc. Needs a build.
const root = join(import.meta.dirname, "..");
const rounds = 5;
const idleMs = 20_000;
const ticksPerSecond = 100;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function bareStartMs(): number {
  const from = performance.now();
  spawnSync(process.execPath, ["-e", "0"]);
  return performance.now() - from;
}

interface Team {
  readonly firstTaskMs: number;
  readonly pid: number;
  stop(): Promise<void>;
}

async function startTeam(): Promise<Team> {
  const data = mkdtempSync(join(tmpdir(), "longhaul-bench-"));
  const from = performance.now();
  const child = spawn(process.execPath, [join(root, "bin/longhaul.js"), "start", join(root, "test/bench/fixture/idle-team.ts"), "--data", data, "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('"done(')) break;
  return {
    firstTaskMs: performance.now() - from,
    pid: child.pid ?? 0,
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

const bare = Array.from({ length: rounds }, bareStartMs);
const starts: number[] = [];
for (let round = 0; round < rounds; round++) {
  const team = await startTeam();
  starts.push(team.firstTaskMs);
  await team.stop();
}

const team = await startTeam();
await new Promise((resolve) => setTimeout(resolve, 5_000));
const before = usageOf(team.pid);
await new Promise((resolve) => setTimeout(resolve, idleMs));
const after = usageOf(team.pid);
await team.stop();

console.table({
  "bare Node start (ms)": { median: Math.round(median(bare)) },
  "start to first completed task (ms)": { median: Math.round(median(starts)), "times bare": Number((median(starts) / median(bare)).toFixed(1)) },
  "idle memory (MB)": { median: Math.round(after.rssMb) },
  "idle processor time (ms per s)": { median: Number(((after.cpuMs - before.cpuMs) / (idleMs / 1000)).toFixed(2)) },
});
