import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { defineAgent, defineTeam, defineTool, usd } from "longhaul";
import { z } from "zod";
import { macrotask } from "../../src/base/turn.ts";
import { openDiskTeam } from "../fixture/disk-team.ts";
import { fastDirectory } from "./fast-directory.ts";
import { forgetfulModel } from "./forgetful-model.ts";
import { countResources, moreThan, type Resources } from "./count-resources.ts";

export interface SoakOptions {
  readonly runs: number;
  /** Runs between two looks at the heap. */
  readonly perSample: number;
  readonly onSample?: (sample: Sample) => void;
}

/** The process after so many runs, all of which have ended. */
export interface Sample {
  readonly runs: number;
  /** Of objects, after the garbage was collected. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** Timers that are set. */
  readonly timers: number;
}

export interface Soak {
  readonly samples: readonly Sample[];
  /** What there was more of after the last run than after the first ones. */
  readonly grown: Resources;
  /** What there was more of after the team was closed than before it was opened. */
  readonly left: Resources;
}

const atOnce = 100;
const hourMs = 3_600_000;

const add = defineTool({ name: "add", description: "Adds", inputSchema: z.object({ n: z.number() }), effect: "once", execute: async ({ n }) => ({ sum: n + 1 }) });
const limits = { concurrency: 50 };
const leaf = defineAgent({ name: "leaf", limits, run: async (_, input) => input });
const asking = defineAgent({ name: "asking", model: "anthropic/test", instructions: "Add.", tools: [add], limits, budget: { perDay: usd(1_000_000) } });
const working = defineAgent({
  name: "working", limits,
  run: async (ctx, input) => {
    const first = await ctx.step("first", () => input);
    await ctx.sleep(50);
    await Promise.all([ctx.send(leaf, first), ctx.step("beside", (signal) => void signal)]);
    return await ctx.step("last", () => "done");
  },
});
const waiting = defineAgent({ name: "waiting", limits, run: async (ctx) => (await ctx.waitFor("never", { timeout: "20ms" })).timedOut });
const failing = defineAgent({ name: "failing", limits, run: async (ctx) => ctx.step("fails", () => Promise.reject(new Error("broken")), { attempts: 1 }) });
const calling = defineAgent({ name: "calling", limits, run: async (ctx, input) => (await ctx.call(leaf, input, { accepts: ["unverified"] })).output });
const kinds = [asking, working, waiting, failing, calling, leaf];

/** Lets one process do so many runs, of every kind, and looks at what it holds meanwhile and after. */
export async function soakRuns({ runs, perSample, onSample }: SoakOptions): Promise<Soak> {
  const collect = exposeGc();
  const directory = fastDirectory();
  const before = countResources();
  const model = forgetfulModel(({ messages }) => (messages.at(-1)?.role === "tool" ? "added" : { toolCalls: [{ toolName: "add", input: { n: messages.length } }] }));
  const definition = defineTeam({ name: "soak", agents: kinds, retention: { journals: "1h", deadLetters: "1h", records: "1h", rollups: "1d" } });
  const team = await openDiskTeam(definition, { directory: directory.path, model, leaseMs: 365 * 24 * hourMs });
  const samples: Sample[] = [];
  let first: Resources | null = null;
  let grown: Resources = {};
  try {
    for (let done = 0; done < runs; ) {
      for (const untilRuns = Math.min(runs, done + perSample); done < untilRuns; done += atOnce) {
        await Promise.all(Array.from({ length: atOnce }, (_, index) => team.submit(kinds[(done + index) % kinds.length]?.name ?? "", { n: done + index })));
        await team.advance(60_000);
      }
      await team.advance(hourMs);
      for (let turn = 0; turn < 3; turn++) {
        collect();
        await macrotask();
      }
      const sample = { runs: done, heapBytes: countHeapBytes(), rssBytes: process.memoryUsage().rss, timers: team.clock.pendingAtMs.length };
      samples.push(sample);
      first ??= countResources();
      onSample?.(sample);
    }
  } finally {
    grown = moreThan(first ?? before, countResources());
    await team.close();
    directory.remove();
  }
  await macrotask();
  return { samples, grown, left: moreThan(before, countResources()) };
}

/** What objects take. The code that V8 makes of functions that are called often is none of what runs leave behind, and goes on being made for long. */
function countHeapBytes(): number {
  return getHeapSpaceStatistics().reduce((bytes, { space_name, space_used_size }) => (/code|trusted/.test(space_name) ? bytes : bytes + space_used_size), 0);
}

function exposeGc(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
