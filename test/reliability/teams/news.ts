import { defineAgent, defineTeam, every, on, poll } from "longhaul";
import type { Scenario } from "../scenario.ts";

/** A schedule whose agent publishes events, two subscribers, and a poll of a feed that repeats itself. */
export const news: Scenario = {
  name: "news",
  horizonMs: 16_000,
  define: (outside) =>
    defineTeam({
      name: "news",
      agents: [
        defineAgent({
          name: "editor",
          triggers: [every("5s", { if: () => outside.hasWork() })],
          run: async (ctx) => {
            await outside.step(ctx, "write", 120);
            await outside.observe(ctx, "publish", "article.written", ctx.publish("article.written", { run: ctx.runId }));
            await outside.step(ctx, "rest", 40);
            return null;
          },
        }),
        ...["reader", "archive"].map((name) =>
          defineAgent({
            name,
            triggers: [on("article.written")],
            run: async (ctx) => {
              await outside.step(ctx, "read", 70);
              return name;
            },
          }),
        ),
        defineAgent({
          name: "clerk",
          limits: { concurrency: 4 },
          triggers: [
            poll("4s", {
              poll: async (cursor) => {
                const from = Number(cursor?.["from"] ?? 0);
                return outside.hasWork() ? { items: [from, from + 1, from + 2], cursor: { from: from + 2 } } : { items: [] };
              },
              key: (item: number) => `item-${item}`,
              input: (item) => item,
            }),
          ],
          run: async (ctx, input) => {
            await outside.step(ctx, "file", 50);
            return { input };
          },
        }),
      ],
    }),
  actions: [],
};
