import { defineAgent, defineTeam } from "longhaul";
import { messageOf } from "../../../src/base/error.ts";
import type { Scenario } from "../scenario.ts";

/** Plain steps: one after the other, at once, in a race, and one that fails. */
export const steps: Scenario = {
  name: "steps",
  define: (outside) =>
    defineTeam({
      name: "steps",
      agents: [
        defineAgent({
          name: "mixer",
          limits: { concurrency: 2 },
          run: async (ctx) => {
            await outside.step(ctx, "plan", 50);
            // Long enough not to stand in the row itself, and the same each time.
            await outside.step(ctx, "report", 20, 9_000);
            await Promise.all([outside.step(ctx, "left", 300), outside.step(ctx, "right", 100), outside.step(ctx, "middle", 200)]);
            const first = await Promise.race([outside.step(ctx, "fast", 80), outside.step(ctx, "slow", 160)]);
            const failure = await outside.failingStep(ctx, "doomed", 40).catch((error: unknown) => messageOf(error));
            for (const line of ["one", "two", "three"]) await outside.step(ctx, line, 30);
            return { first: first.key.split("/")[2] ?? null, failure: typeof failure === "string" ? failure.split(" ")[1] ?? null : null };
          },
        }),
      ],
    }),
  actions: [
    { id: "a", type: "submit", atMs: 0, agent: "mixer", input: 1, key: "first" },
    { id: "b", type: "submit", atMs: 0, agent: "mixer", input: 2, key: "second" },
    // Another client has the same idea at the same time, and one later.
    { id: "a-again", type: "submit", atMs: 0, agent: "mixer", input: 1, key: "first" },
    { id: "c", type: "submit", atMs: 120, agent: "mixer", input: 3, key: "third" },
    { id: "a-late", type: "submit", atMs: 400, agent: "mixer", input: 1, key: "first" },
  ],
};
