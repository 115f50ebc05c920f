import { defineAgent, defineTeam } from "longhaul";
import type { Scenario } from "../scenario.ts";

const names = Array.from({ length: 12 }, (_, index) => `worker-${index + 1}`);

/** Many agents at once, whose changes share commits. */
export const crowd: Scenario = {
  name: "crowd",
  checkpointFrames: 60,
  define: (outside) =>
    defineTeam({
      name: "crowd",
      agents: names.map((name, index) =>
        defineAgent({
          name,
          limits: { concurrency: 1 + (index % 3) },
          run: async (ctx) => {
            await outside.step(ctx, "first", 20 + 10 * (index % 4));
            if (index % 2 === 0) await outside.observe(ctx, "wait", "sleep", ctx.sleep("200ms"));
            await Promise.all([outside.step(ctx, "second", 30), outside.step(ctx, "third", 30)]);
            return index;
          },
        }),
      ),
    }),
  actions: names.flatMap((agent) => [1, 2].map((n) => ({ id: `${agent}/${n}`, type: "submit" as const, atMs: 0, agent, input: n, key: `${agent}/${n}` }))),
};
