import { defineAgent, defineTeam, type RunContext } from "longhaul";
import type { Outside } from "../outside.ts";
import type { Scenario } from "../scenario.ts";

async function book(outside: Outside, ctx: RunContext, what: string): Promise<void> {
  await outside.compensate(ctx, `cancel ${what}`, 50);
  await outside.step(ctx, `book ${what}`, 40);
}

/** Runs that undo what they did: their code throws, they are canceled while they wait or execute, their deadline passes; and one that is done. */
export const saga: Scenario = {
  name: "saga",
  define: (outside) => {
    const trip = (name: string, rest: (ctx: RunContext) => Promise<unknown>, deadline: "1h" | "2s" = "1h") =>
      defineAgent({
        name,
        limits: { concurrency: 2, deadline },
        run: async (ctx) => {
          await book(outside, ctx, "flight");
          await Promise.all([book(outside, ctx, "hotel"), outside.step(ctx, "look", 30)]);
          return await rest(ctx);
        },
      });
    return defineTeam({
      name: "saga",
      agents: [
        trip("thrower", async (ctx) => await outside.failingStep(ctx, "pay", 20)),
        trip("waiter", async (ctx) => {
          await outside.observe(ctx, "signal", "never", ctx.waitFor("never", { timeout: "20s" }));
          throw new Error("nobody came");
        }),
        trip("worker", async (ctx) => {
          await outside.step(ctx, "long", 5_000);
          throw new Error("too late");
        }),
        trip("late", async (ctx) => await outside.observe(ctx, "signal", "never", ctx.waitFor("never")), "2s"),
        trip("traveller", async (ctx) => await outside.step(ctx, "travel", 30)),
      ],
    });
  },
  actions: [
    { id: "a", type: "submit", atMs: 0, agent: "thrower", input: 1, key: "a", ends: ["dead"] },
    { id: "b", type: "submit", atMs: 0, agent: "waiter", input: 2, key: "b", ends: ["canceled", "dead"] },
    { id: "c", type: "submit", atMs: 20, agent: "worker", input: 3, key: "c", ends: ["canceled", "dead"] },
    { id: "d", type: "submit", atMs: 40, agent: "late", input: 4, key: "d", ends: ["dead"] },
    { id: "e", type: "submit", atMs: 60, agent: "traveller", input: 5, key: "e" },
    { id: "b-cancel", type: "cancel", atMs: 400, of: "b" },
    { id: "c-cancel", type: "cancel", atMs: 600, of: "c" },
  ],
};
