import { defineAgent, defineFlow, defineTeam, every, on, type RunContext } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { generateText, streamText } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { expect, test } from "vitest";
import { z } from "zod";

const leaf = defineAgent({ name: "leaf", run: async () => null, limits: { concurrency: 100 } });

test.each([
  ["by default 50 tasks", {}, 50],
  ["as many tasks as its agent says", { fanOutMax: 3 }, 3],
])("a run starts %s and no more", async (_, limits, fanOutMax) => {
  const spawner = defineAgent({ name: "spawner", limits, run: async (ctx) => { for (let n = 0; n < 60; n++) await ctx.send(leaf, undefined); } });
  const team = await testTeam(defineTeam({ name: "t", agents: [spawner, leaf] }));

  const end = await team.result(await team.submit(spawner, undefined));

  expect(end).toMatchObject({ status: "dead", reason: "fan-out", failure: { code: "FAN_OUT_LIMIT", message: expect.stringContaining(`spawner started more than ${fanOutMax} tasks in one run`) } });
  expect(await team.tasks({ agent: "leaf" })).toHaveLength(fanOutMax);
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

const thinking = { firstChunkTimeout: "5m", betweenChunksTimeout: "2m", modelCallTimeout: "20m" } as const;

test("the time limits of an agent's model calls are its own", async () => {
  const model = scriptedModel("thought");
  const agent = defineAgent({ name: "thinker", model: "anthropic/test", instructions: "Think.", limits: thinking });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });

  expect(await team.result(await team.submit("thinker", undefined))).toMatchObject({ status: "done" });

  expect(model.calls.map(({ timeouts }) => timeouts)).toEqual([{ firstChunkMs: 300_000, betweenChunksMs: 120_000, totalMs: 1_200_000 }]);
  await team.close();
});

test("the model calls of durable code obey its time limits, and say which option raises them", async () => {
  const whole = defineAgent({ name: "whole", limits: { ...thinking, activeTime: "3h" }, run: async (ctx) => (await generateText({ model: ctx.model("anthropic/test"), prompt: "Think.", maxRetries: 0 })).text });
  const silent = new MockLanguageModelV4({ provider: "mock", modelId: "silent", doStream: () => new Promise(() => undefined) });
  const streamed = defineAgent({ name: "streamed", limits: { ...thinking, activeTime: "3h" }, run: async (ctx) => streamText({ model: ctx.model(silent), prompt: "Think.", maxRetries: 0 }).text });
  const team = await testTeam(defineTeam({ name: "t", agents: [whole, streamed] }), { models: { "anthropic/test": scriptedModel({ hang: true }) } });
  await team.submit("whole", undefined);
  await team.submit("streamed", undefined);

  await team.advance("61m");

  const failures = await team.records({ eventTypes: ["model_call"], result: "error" });
  expect(Object.fromEntries(failures.map(({ agent_id, reason }) => [agent_id, reason]))).toEqual({
    whole: "anthropic/test did not finish its answer within 20 min. It is tried again; raise limits.modelCallTimeout if the model is only slow.",
    streamed: "mock/silent sent no content within 5 min of the request. It is tried again; raise limits.firstChunkTimeout if the model is only slow.",
  });
  await team.close();
});

test("an agent works on one task at once and a flow on ten, unless they say otherwise", async () => {
  const run = (ctx: RunContext): Promise<null> => ctx.step("work", () => new Promise<null>(() => undefined), { timeout: "1h" });
  const team = await testTeam(defineTeam({
    name: "t", agents: [defineAgent({ name: "agent", run }), defineAgent({ name: "pair", limits: { concurrency: 2 }, run })], flows: [defineFlow({ name: "flow", run }), defineFlow({ name: "trio", limits: { concurrency: 3 }, run })],
  }));
  const running = async (name: string): Promise<readonly [string, number]> => {
    for (let n = 0; n < 12; n++) await team.submit(name, undefined);
    await team.settle();
    return [name, (await team.tasks({ agent: name, statuses: ["running"] })).length];
  };

  expect(await Promise.all(["agent", "pair", "flow", "trio"].map(running))).toEqual([["agent", 1], ["pair", 2], ["flow", 10], ["trio", 3]]);
  await team.close();
});

test("an agent's queue holds as many tasks as it says, and the next one is refused by name", async () => {
  const busy = defineAgent({ name: "busy", limits: { queueMax: 2 }, run: async (ctx) => ctx.step("work", () => new Promise(() => undefined), { timeout: "1h" }) });
  const team = await testTeam(defineTeam({ name: "t", agents: [busy] }));
  await team.submit("busy", undefined);
  await team.settle();

  await team.submit("busy", undefined);
  await team.submit("busy", undefined);
  await expect(team.submit("busy", undefined)).rejects.toMatchObject({ code: "QUEUE_FULL" });
  await team.close();
});

test("a task ends at its agent's own deadline, whoever started it", async () => {
  const brief = defineAgent({ name: "brief", limits: { deadline: "2h" }, triggers: [every("1d", { atStart: true })], run: async (ctx) => ctx.waitFor("go") });
  const caller = defineAgent({ name: "caller", run: async (ctx) => ctx.call(brief, undefined) });
  const team = await testTeam(defineTeam({ name: "t", agents: [brief, caller] }));
  await team.submit("brief", undefined);
  const called = await team.submit("caller", undefined);

  await team.advance("119m");
  expect((await team.tasks({ agent: "brief" })).map(({ status }) => status)).toEqual(["waiting", "waiting", "waiting"]);
  await team.advance("2m");

  expect((await team.tasks({ agent: "brief" })).map(({ end }) => end)).toMatchObject(Array.from({ length: 3 }, () => ({ status: "dead", reason: "deadline" })));
  expect(await team.result(called)).toMatchObject({ status: "dead", failure: { code: "TASK_DEAD", message: expect.stringContaining("brief died (deadline)") } });
  await team.close();
});

test("a task of an agent that the team does not have any more is not lost without a word", async () => {
  const caller = defineAgent({ name: "caller", run: async (ctx) => ctx.call({ kind: "agent", name: "gone" }, undefined) });
  const team = await testTeam(defineTeam({ name: "t", agents: [caller] }));

  expect(await team.result(await team.submit(caller, undefined))).toMatchObject({ status: "dead", failure: { code: "AGENT_UNKNOWN", message: 'caller asked for "gone", which is not in the team. It has: caller.' } });
  await team.close();
});
