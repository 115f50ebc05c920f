import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineAgent, defineTeam } from "../../src/index.ts";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { openLiveTeam } from "../../src/runtime/live-team.ts";
import { assertDone } from "../done.ts";

/** A team of so many agents that has done so many tasks. */
export interface Measured {
  readonly agents: number;
  readonly tasks: number;
  /** Of the next 1,000. */
  readonly msPerTask: number;
  /** After the garbage was collected. */
  readonly heapMb: number;
  readonly residentMb: number;
  /** What each task since the last look added to the data file; null at the first. */
  readonly bytesPerTask: number | null;
}

/** Tasks under way at once: enough to share commits, few enough to queue nowhere. */
const atOnce = 50;
const looksAt = [1_000, 10_000, 100_000];
const measuredTasks = 1_000;

async function measure(agentCount: number, tasksMax: number): Promise<readonly Measured[]> {
  const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "longhaul-cost-"));
  const agents = Array.from({ length: agentCount }, (_, index) =>
    defineAgent({ name: `agent-${index}`, limits: { concurrency: atOnce }, run: async (ctx, input) => ((await ctx.step("one", () => 1)), (await ctx.step("two", () => 2)), input) }),
  );
  const team = await openLiveTeam({ team: defineTeam({ name: "cost", agents }), dataDirectory: directory, clock: systemClock, random: seededRandom(1), environment: () => undefined, print: () => undefined });
  await team.start();
  let done = 0;
  const run = async (count: number): Promise<void> => {
    for (const until = done + count; done < until; done += atOnce) {
      await Promise.all(
        Array.from({ length: atOnce }, async (_, index) => {
          const { taskId } = await team.operations.submit({ agent: `agent-${(done + index) % agentCount}`, input: { n: done + index }, source: "bench" });
          assertDone(await team.operations.result(taskId));
        }),
      );
    }
  };
  const fileBytes = (): number => statSync(join(directory, "longhaul.db")).size;
  const seen: Measured[] = [];
  let last: { readonly tasks: number; readonly bytes: number } | null = null;
  for (const tasks of looksAt.filter((count) => count <= tasksMax)) {
    await run(tasks - done);
    const now = { tasks: done, bytes: fileBytes() };
    const fromMs = performance.now();
    await run(measuredTasks);
    const msPerTask = (performance.now() - fromMs) / measuredTasks;
    for (let round = 0; round < 3; round++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      globalThis.gc?.();
    }
    const { heapUsed, rss } = process.memoryUsage();
    seen.push({ agents: agentCount, tasks, msPerTask, heapMb: heapUsed / 1e6, residentMb: rss / 1e6, bytesPerTask: last === null ? null : (now.bytes - last.bytes) / (now.tasks - last.tasks) });
    last = now;
  }
  await team.drain(0);
  await team.close();
  rmSync(directory, { recursive: true, force: true });
  return seen;
}

process.stdout.write(JSON.stringify(await measure(Number(process.argv[2]), Number(process.argv[3]))));
