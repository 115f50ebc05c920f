import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { defineAgent, defineTeam, type RunContext } from "../../src/index.ts";
import { openLiveTeam } from "../../src/runtime/live-team.ts";
import type { Hooks, OpenSide, Side } from "./side.ts";

interface Input {
  readonly run: number;
  readonly steps: number;
}

/** How the code of a run makes its step `index`. */
type MakeStep = (ctx: RunContext, index: number) => Promise<unknown>;

/** A team as users write it, opened by the runtime as `longhaul start` opens it. Runs are submitted by the call behind its HTTP interface. */
async function openWith(folder: string, hooks: Hooks, concurrency: number, durability: string, makeStep: MakeStep): Promise<Side> {
  const bench = defineAgent({
    name: "bench",
    limits: { concurrency, queueMax: 100_000 },
    run: async (ctx, input) => {
      const { run, steps } = input as Input;
      for (let index = 1; index <= steps; index++) await makeStep(ctx, index);
      hooks.end(run);
      if (steps === 0) await ctx.sleep("1h");
      return null;
    },
  });
  const team = await openLiveTeam({ team: defineTeam({ name: "bench", agents: [bench] }), dataDirectory: folder, clock: systemClock, random: seededRandom("bench"), environment: () => undefined, print: () => undefined });
  await team.start();
  const reader = new DatabaseSync(join(folder, "longhaul.db"), { readOnly: true });
  const count = (from: string): Promise<number> => Promise.resolve(Number(reader.prepare(`SELECT count(*) AS n FROM ${from}`).get()?.["n"]));
  const start = (run: number, steps: number): Promise<unknown> => team.operations.submit({ agent: "bench", input: { run, steps }, source: "bench" });
  return {
    durability, start,
    serverMs: 0,
    startWaiting: (run) => start(run, 0),
    ended: () => count("lh_task WHERE status = 'done'"),
    waiting: () => count("lh_task WHERE status = 'waiting'"),
    async close() {
      reader.close();
      await team.drain(0);
      await team.close();
    },
  };
}

/** Steps of code, which leave no record when they go well. */
export const open: OpenSide = (folder, hooks, concurrency) =>
  openWith(folder, hooks, concurrency, "fsync (SQLite FULL), records of tasks", (ctx, index) => ctx.step("step", () => (hooks.step(), index)));

/** Calls of a tool, each with its record. */
export const openWithTools: OpenSide = (folder, hooks, concurrency) => {
  const execute = (_input: { readonly index: number }, _options: object): number | Promise<number> => (hooks.step(), 1);
  return openWith(folder, hooks, concurrency, "fsync (SQLite FULL), records of tasks and steps", async (ctx, index) => await ctx.tools({ count: { execute } }, { effects: { count: "read" } }).count.execute({ index }, {}));
};
