import { defineAgent, defineTeam } from "longhaul";
import type { Scenario } from "../scenario.ts";

/** Signals that come in time, early and never; sleeps; a race between the two. */
export const waits: Scenario = {
  name: "waits",
  define: (outside) =>
    defineTeam({
      name: "waits",
      agents: [
        defineAgent({
          name: "patient",
          limits: { concurrency: 3 },
          run: async (ctx) => {
            await outside.step(ctx, "prepare", 60);
            const go = await outside.observe(ctx, "signal", "go", ctx.waitFor("go", { timeout: "3s" }));
            await outside.step(ctx, "between", 40);
            const early = await outside.observe(ctx, "signal", "early", ctx.waitFor("early", { timeout: "2s" }));
            await outside.observe(ctx, "wait", "sleep", ctx.sleep("1s"));
            const race = await Promise.race([
              outside.observe(ctx, "wait", "sleep", ctx.sleep("700ms"), 2).then(() => "slept"),
              outside.observe(ctx, "signal", "late", ctx.waitFor("late")).then(() => "called"),
            ]);
            await outside.step(ctx, "finish", 30);
            return { go: go.timedOut, early: early.timedOut, race };
          },
        }),
      ],
    }),
  actions: [
    { id: "a", type: "submit", atMs: 0, agent: "patient", input: 1, key: "first" },
    { id: "b", type: "submit", atMs: 0, agent: "patient", input: 2, key: "second" },
    { id: "c", type: "submit", atMs: 50, agent: "patient", input: 3, key: "third" },
    { id: "a-early", type: "signal", atMs: 20, of: "a", name: "early", payload: "before anybody waits" },
    { id: "a-go", type: "signal", atMs: 500, of: "a", name: "go", payload: { by: "client" } },
    { id: "b-early", type: "signal", atMs: 3_400, of: "b", name: "early", payload: 7 },
    { id: "c-late", type: "signal", atMs: 900, of: "c", name: "late", payload: null },
  ],
};
