import { defineAgent, defineTeam } from "longhaul";
import type { Scenario } from "../scenario.ts";

/** Operators at work: tasks are canceled, queued again, and interrupted by drains with and without patience. */
export const desk: Scenario = {
  name: "desk",
  define: (outside) =>
    defineTeam({
      name: "desk",
      agents: [
        defineAgent({
          name: "officer",
          limits: { concurrency: 2 },
          run: async (ctx) => {
            await outside.step(ctx, "open", 300);
            await outside.observe(ctx, "wait", "sleep", ctx.sleep("500ms"));
            await Promise.all([outside.step(ctx, "stamp", 400), outside.step(ctx, "sign", 700)]);
            await outside.step(ctx, "close", 200);
            return null;
          },
        }),
      ],
    }),
  actions: [
    { id: "a", type: "submit", atMs: 0, agent: "officer", input: 1, key: "first" },
    { id: "b", type: "submit", atMs: 0, agent: "officer", input: 2, key: "second" },
    { id: "c", type: "submit", atMs: 10, agent: "officer", input: 3, key: "third", ends: ["canceled", "done"] },
    { id: "b-cancel", type: "cancel", atMs: 400, of: "b" },
    { id: "impatient", type: "drain", atMs: 1_000, timeoutMs: 0, downMs: 500 },
    { id: "b-restart", type: "restart", atMs: 1_800, of: "b" },
    { id: "patient", type: "drain", atMs: 2_600, timeoutMs: 5_000, downMs: 2_000 },
    { id: "c-cancel", type: "cancel", atMs: 5_000, of: "c" },
  ],
};
