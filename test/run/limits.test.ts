import { defineAgent, defineTeam, on } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { generateText } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";

const leaf = defineAgent({ name: "leaf", run: async () => null, limits: { concurrency: 100 } });

test("a run starts 50 tasks and no more", async () => {
  const spawner = defineAgent({ name: "spawner", run: async (ctx) => { for (let n = 0; n < 60; n++) await ctx.send(leaf, undefined); } });
  const team = await testTeam(defineTeam({ name: "t", agents: [spawner, leaf] }));

  const end = await team.result(await team.submit(spawner, undefined));

  expect(end).toMatchObject({ status: "dead", reason: "fan-out", failure: { code: "FAN_OUT_LIMIT", message: expect.stringContaining("spawner started more than 50 tasks in one run") } });
  expect(await team.tasks({ agent: "leaf" })).toHaveLength(50);
  await team.close();
});

const counted = z.object({ n: z.number() });

test.each(["call", "send", "publish"] as const)("tasks that start each other by %s are stopped at depth 5", async (how) => {
  const again: { readonly kind: "agent"; readonly name: string } = { kind: "agent", name: "recursive" };
  const recursive = defineAgent({
    name: "recursive", input: counted, limits: { concurrency: 10 },
    triggers: [on("again", { schema: counted, input: ({ n }) => ({ n }) })],
    run: async (ctx, { n }) => {
      if (how === "call") await ctx.call(again, { n: n + 1 });
      else if (how === "send") await ctx.send(again, { n: n + 1 });
      else await ctx.publish("again", { n: n + 1 });
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [recursive] }));

  await team.submit(recursive, { n: 0 });
  await team.settle();

  const tasks = await team.tasks({ agent: "recursive" });
  expect(tasks).toHaveLength(6);
  expect(new Set(tasks.map(({ depth }) => depth))).toEqual(new Set([0, 1, 2, 3, 4, 5]));
  const deepest = tasks.find(({ depth }) => depth === 5);
  expect(deepest).toMatchObject({ status: "dead", end: { failure: { code: "DEPTH_LIMIT", message: expect.stringContaining("at depth 6; the limit is 5") } } });
  await team.close();
});

test("the model calls of durable code obey its turn limit and its output limit", async () => {
  const model = scriptedModel("again");
  const looping = defineAgent({
    name: "looping", limits: { turnsMax: 3, outputTokensMax: 77 },
    run: async (ctx) => { for (;;) await generateText({ model: ctx.model("anthropic/test"), prompt: "Go on." }); },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [looping] }), { models: model });

  const end = await team.result(await team.submit(looping, undefined));

  expect(end).toMatchObject({ status: "dead", reason: "turn-limit" });
  expect(model.calls.map(({ outputTokensMax }) => outputTokensMax)).toEqual([77, 77, 77]);
  await team.close();
});

test("a task of an agent that the team does not have any more is not lost without a word", async () => {
  const caller = defineAgent({ name: "caller", run: async (ctx) => ctx.call({ kind: "agent", name: "gone" }, undefined) });
  const team = await testTeam(defineTeam({ name: "t", agents: [caller] }));

  expect(await team.result(await team.submit(caller, undefined))).toMatchObject({ status: "dead", failure: { code: "AGENT_UNKNOWN", message: 'caller asked for "gone", which is not in the team. It has: caller.' } });
  await team.close();
});
