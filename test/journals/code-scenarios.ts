import { defineAgent, defineFlow, defineTeam, on, type RunContext } from "longhaul";
import { z } from "zod";
import { messageOf } from "../../src/base/error.ts";
import { type Act, acting, type Scenario } from "./scenario.ts";

function main(run: (ctx: RunContext) => Promise<unknown>) {
  return defineAgent({ name: "main", run });
}

const double = (act: Act) => defineAgent({ name: "double", input: z.object({ n: z.number() }), run: async (ctx, { n }) => ({ twice: await ctx.step("double", acting(act, 2 * n)) }) });

/** Plain durable code: what agents with `run` and flows take. */
export const codeScenarios: readonly Scenario[] = [
  {
    name: "code",
    about: "Plain code: steps in a row and at once, a race, a failure that is caught, the same step twice, a note, time and chance",
    team: (act) =>
      defineTeam({
        name: "journals",
        agents: [
          main(async (ctx) => {
            const first = await ctx.step("fetch", acting(act, "page"));
            const failure = await ctx.step("fails", () => { act(); throw new Error("no such page"); }, { attempts: 1 }).catch(messageOf);
            const all = await Promise.all(["a", "b", "c"].map((name) => ctx.step(`count ${name}`, acting(act, name.charCodeAt(0)))));
            const winner = await Promise.race([ctx.sleep("1h").then(() => "slow"), ctx.step("quick", acting(act, "quick"))]);
            const settled = await Promise.allSettled([ctx.step("fetch", acting(act, "again")), ctx.step("fails", () => { act(); throw new Error("again"); }, { attempts: 1 })]);
            await ctx.note("counted", { all });
            const drawn = ctx.random() < 0.5 ? await ctx.step("heads", acting(act, "heads")) : await ctx.step("tails", acting(act, "tails"));
            return { first, failure, all, winner, settled: settled.map(({ status }) => status), drawn, day: new Date(ctx.now()).toISOString().slice(0, 10) };
          }),
        ],
      }),
  },
  {
    name: "waits",
    about: "A sleep, a signal that came, one that did not come in time, and a transaction",
    team: (act) =>
      defineTeam({
        name: "journals",
        agents: [
          main(async (ctx) => {
            await ctx.sleep("2h");
            const answer = await ctx.waitFor("answer");
            const late = await ctx.waitFor("second", { timeout: "1d" });
            const rows = await ctx.transaction("keep", async (tx) => {
              act();
              await tx.run("CREATE TABLE kept (text TEXT NOT NULL)");
              await tx.run("INSERT INTO kept VALUES (?)", JSON.stringify(answer));
              return (await tx.all("SELECT text FROM kept")).length;
            });
            return { answer, late, rows };
          }),
        ],
      }),
    async drive(team, taskId) {
      await team.advance(2 * 3_600_000);
      await team.live.operations.signal(String((await team.task(taskId)).runId), "answer", { by: "ann" });
      await team.result(taskId);
      return taskId;
    },
  },
  {
    name: "open-waits",
    about: "A run that is not over: it sleeps and waits for a signal at once, behind a step",
    team: (act) =>
      defineTeam({
        name: "journals",
        agents: [
          main(async (ctx) => {
            const page = await ctx.step("fetch", acting(act, "page"));
            const first = await Promise.race([ctx.waitFor("approval"), ctx.sleep("30d")]);
            return { page, first: first ?? "too late" };
          }),
        ],
      }),
    drive: async (_, taskId) => taskId,
  },
  {
    name: "children",
    about: "A flow that calls tasks at once, one of which dies, sends one, and publishes an event that somebody takes",
    team(act) {
      const dies = defineAgent({ name: "dies", run: (ctx) => ctx.step("fails", () => { act(); throw new Error("on fire"); }, { attempts: 1 }) });
      const reader = defineAgent({ name: "reader", triggers: [on("counted")], run: async () => null });
      const flow = defineFlow({
        name: "main",
        run: async (ctx) => {
          const calls = await Promise.allSettled([ctx.call(double(act), { n: 1 }), ctx.call(dies, null), ctx.call(double(act), { n: 3 })]);
          const { tasks } = await ctx.publish("counted", { n: 2 });
          await ctx.send(double(act), { n: 4 });
          return { calls: calls.map((call) => (call.status === "fulfilled" ? call.value.output : messageOf(call.reason))), tasks };
        },
      });
      return defineTeam({ name: "journals", agents: [double(act), dies, reader], flows: [flow] });
    },
  },
  {
    name: "held-calls",
    about: "Calls at once of an agent that a person keeps from being called for a while, beside one that is called",
    team(act) {
      const halve = defineAgent({ name: "halve", input: z.object({ n: z.number() }), run: async (_, { n }) => n / 2 });
      const flow = defineFlow({
        name: "main",
        run: async (ctx) => {
          await ctx.sleep("1m");
          const calls = await Promise.all([ctx.call(double(act), { n: 1 }), ctx.call(halve, { n: 2 }), ctx.call(double(act), { n: 3 })]);
          return calls.map(({ output }) => output);
        },
      });
      return defineTeam({ name: "journals", agents: [double(act), halve], flows: [flow] });
    },
    async drive(team, taskId) {
      await team.live.operations.decideBreaker("agent double", { isolate: "it is mended" }, "cli");
      await team.advance(2 * 3_600_000);
      await team.live.operations.decideBreaker("agent double", "close", "cli");
      await team.result(taskId);
      return taskId;
    },
  },
];
