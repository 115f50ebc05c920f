import { defineAgent, defineTeam, type RunContext, usd } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { generateText, streamText } from "ai";
import { expect, test } from "vitest";
import { freePrice } from "../../src/model/model-price.ts";

/* A limit that code may take for a call's error, and go on, bounds nothing: what is refused without a step does not even let the process breathe. */

const ways: Readonly<Record<string, (ctx: RunContext) => Promise<unknown>>> = {
  "lets streamText swallow it": async (ctx) => await streamText({ model: ctx.model("anthropic/test"), prompt: "Go on.", onError: () => undefined }).text,
  "catches it and asks again": async (ctx) => {
    try {
      return (await generateText({ model: ctx.model("anthropic/test"), prompt: "Go on.", maxRetries: 0 })).text;
    } catch {
      return "never mind";
    }
  },
};

/** Ends the test, not the machine, where the limit bounds nothing. */
const asksMax = 10_000;

test.each(Object.entries(ways))("a run over its turn limit ends as that, though its code %s", async (_, ask) => {
  let asks = 0;
  const agent = defineAgent({ name: "a", limits: { turnsMax: 3 }, run: async (ctx) => { while (asks++ < asksMax) await ask(ctx); } });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: scriptedModel("more") });

  expect(await team.result(await team.submit(agent, undefined))).toMatchObject({ status: "dead", reason: "turn-limit", failure: { message: expect.stringContaining("limits.turnsMax") as string } });
  expect(asks).toBe(4);
  await team.close();
});

const dime = 100_000;
const price = { ...freePrice, upperBoundMicroUsd: () => dime, costMicroUsd: () => dime };

test.each(Object.entries(ways))("a run that spends far more than its agent usually does ends as that, though its code %s", async (_, ask) => {
  const agent = defineAgent({ name: "a", limits: { turnsMax: 200 }, budget: { perTask: usd(100), perDay: usd(10_000) }, run: async (ctx, input) => { for (let n = 0; n < Number(input); n++) await ask(ctx); } });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: scriptedModel("more", { price }) });
  for (let task = 0; task < 100; task++) await team.submit(agent, 1);
  await team.settle();
  await team.advance(600_000);

  expect(await team.result(await team.submit(agent, 150))).toMatchObject({ status: "dead", reason: "looping", failure: { message: expect.stringContaining("at most $0.1000") as string } });
  await team.close();
});

test("code that is told that it may start no more tasks may go on without; one that asks for as many again ends", async () => {
  const leaf = defineAgent({ name: "leaf", limits: { concurrency: 10 }, run: async () => null });
  const spawner = defineAgent({
    name: "spawner", limits: { fanOutMax: 3 },
    run: async (ctx, input) => {
      let refused = 0;
      for (let asks = 0; asks < Number(input); asks++) await ctx.send(leaf, undefined).catch(() => refused++);
      return refused;
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [spawner, leaf] }));

  expect(await team.result(await team.submit(spawner, 6))).toMatchObject({ status: "done", output: 3 });
  expect(await team.result(await team.submit(spawner, asksMax))).toMatchObject({ status: "dead", reason: "fan-out", failure: { code: "FAN_OUT_LIMIT" } });
  await team.close();
});

test("while a fallback stands in for a run that is over, no other branch of its code begins anything", async () => {
  const done: string[] = [];
  const backup = defineAgent({ name: "backup", run: async (ctx) => { await ctx.sleep("2h"); return "from the backup"; } });
  const worker = defineAgent({
    name: "worker", fallback: [backup],
    run: async (ctx) => {
      const work = async (): Promise<never> => {
        for (let n = 1; ; n++) {
          await ctx.sleep("10m");
          await ctx.step("act", () => done.push(`act ${n}`));
        }
      };
      const fail = async (): Promise<never> => {
        await ctx.sleep("25m");
        throw new Error("this did not work");
      };
      return await Promise.all([work(), fail()]);
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [worker, backup] }));

  expect(await team.result(await team.submit(worker, undefined))).toMatchObject({ status: "done", outcome: "degraded", output: "from the backup" });
  expect(done).toEqual(["act 1", "act 2"]);
  await team.close();
});

test("what a run registered to be undone is undone, though it ended beside its code", async () => {
  const undone: string[] = [];
  const agent = defineAgent({
    name: "a", limits: { turnsMax: 3 },
    run: async (ctx) => {
      await ctx.compensate("give back", () => void undone.push("given back"));
      for (let asks = 0; asks < asksMax; asks++) await ways["catches it and asks again"]?.(ctx);
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: scriptedModel("more") });

  expect(await team.result(await team.submit(agent, undefined))).toMatchObject({ status: "dead", reason: "turn-limit" });
  await team.advance("2m");

  expect(undone).toEqual(["given back"]);
  await team.close();
});
