import { defineAgent, defineFlow, defineTeam } from "longhaul";
import { messageOf } from "../../../src/base/error.ts";
import type { Outside } from "../outside.ts";
import type { Scenario } from "../scenario.ts";

const define = (outside: Outside): ReturnType<typeof defineTeam> => {
  const child = defineAgent({
    name: "child",
    limits: { concurrency: 2 },
    run: async (ctx, input) => {
      await outside.step(ctx, "work", 90);
      if (input === "bad") throw new Error("this child is bad");
      await outside.observe(ctx, "wait", "sleep", ctx.sleep("400ms"));
      const { key } = await outside.step(ctx, "more", 50);
      return { input, key };
    },
  });
  const parent = defineFlow({
    name: "parent",
    run: async (ctx) => {
      await outside.step(ctx, "begin", 20);
      const call = (input: string, occurrence: number): Promise<unknown> => outside.observe(ctx, "child", "child", ctx.call(child, input), occurrence).catch((error: unknown) => messageOf(error).slice(0, 20));
      const called = await Promise.all([call("good", 1), call("bad", 2), call("better", 3)]);
      await outside.send(ctx, "child", ctx.send(child, "sent"));
      await outside.send(ctx, "child", ctx.send(child, "delayed", { delay: "1s" }), 2);
      await outside.step(ctx, "end", 20);
      return called.length;
    },
  });
  return defineTeam({ name: "family", agents: [child], flows: [parent] });
};

/** A flow that calls and sends children, one of which fails; another one that is canceled with its children. */
export const family: Scenario = {
  name: "family",
  define,
  actions: [
    { id: "a", type: "submit", atMs: 0, agent: "parent", input: 1, key: "first" },
    { id: "b", type: "submit", atMs: 300, agent: "parent", input: 2, key: "second", ends: ["canceled", "done"] },
    { id: "b-cancel", type: "cancel", atMs: 700, of: "b" },
  ],
};
