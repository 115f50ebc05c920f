import { defineAgent, defineTeam, fromAgent, type RunContext } from "longhaul";
import { type ScriptedAnswer, scriptedModel, testTeam } from "longhaul/testing";
import { generateText, stepCountIs, streamText, tool, ToolLoopAgent } from "ai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/** What the outside saw: the executions of the tool, and how long the second one hangs. */
const world = { weighed: [] as string[], hangs: false };
const scale = tool({
  description: "Weigh a thing", inputSchema: z.object({ thing: z.string() }),
  execute: async ({ thing }, { abortSignal }) => {
    world.weighed.push(thing);
    if (world.hangs && world.weighed.length === 2) await new Promise((_, reject) => abortSignal?.addEventListener("abort", () => reject(abortSignal.reason as Error), { once: true }));
    return { thing, grams: thing.length };
  },
});
const script: readonly ScriptedAnswer[] = [
  { toolCalls: [{ toolName: "weigh", input: { thing: "apple" } }] },
  { toolCalls: [{ toolName: "weigh", input: { thing: "pear" } }] },
  "5 and 4 grams",
];
const prompt = "Weigh the fruit.";
const reference = "anthropic/test";

const ways: Readonly<Record<string, (ctx: RunContext) => Promise<string>>> = {
  generateText: async (ctx) => (await generateText({ model: ctx.model(reference), tools: ctx.tools({ weigh: scale }, { effects: { weigh: "read" } }), stopWhen: stepCountIs(10), prompt })).text,
  streamText: async (ctx) => {
    const result = streamText({ model: ctx.model(reference), tools: ctx.tools({ weigh: scale }, { effects: { weigh: "read" } }), stopWhen: stepCountIs(10), prompt });
    return await result.text;
  },
  ToolLoopAgent: async (ctx) => (await new ToolLoopAgent({ model: ctx.model(reference), tools: ctx.tools({ weigh: scale }, { effects: { weigh: "read" } }), instructions: "Weigh." }).generate({ prompt })).text,
};

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
  world.weighed.length = 0;
  world.hangs = false;
});
afterEach(() => directory.remove());

/** The model goes by what is in the prompt, not by how often it was asked. */
function weigher() {
  return scriptedModel(({ messages }) => script[messages.filter(({ role }) => role === "tool").length] ?? "lost");
}

describe.each(Object.keys(ways))("%s with ctx.model and ctx.tools", (way) => {
  const team = defineTeam({ name: "t", agents: [defineAgent({ name: "weigher", output: z.string(), run: async (ctx) => (await ways[way]?.(ctx)) ?? "" })] });

  test("makes every model call and every tool call a step with a record and a price", async () => {
    const model = weigher();
    const tested = await testTeam(team, { models: model });

    const end = await tested.result(await tested.submit("weigher", null));

    expect(end).toMatchObject({ status: "done", output: "5 and 4 grams" });
    const [task] = await tested.tasks();
    expect((await tested.steps(task?.runId ?? "")).map(({ kind, name }) => `${kind} ${name}`)).toEqual(["model call", "tool tool/call_1_1", "model call", "tool tool/call_2_1", "model call"]);
    expect(await tested.records({ eventTypes: ["model_call"] })).toMatchObject([{ simulated: true, cost_micro_usd: 0 }, { simulated: true }, { simulated: true, data: { finishReason: "stop" } }]);
    expect((await tested.records({ eventTypes: ["tool_call"] })).map(({ tool_name, tool_args }) => [tool_name, tool_args])).toEqual([["weigh", { thing: "apple" }], ["weigh", { thing: "pear" }]]);
    await tested.close();
  });

  test("goes on after a crash without paying twice or doing again what was done", async () => {
    world.hangs = true;
    const model = weigher();
    const before = await openDiskTeam(team, { directory: `${directory.path}/team`, model });
    const taskId = await before.submit("weigher", null);
    await before.settle();
    expect(model.calls).toHaveLength(2);
    expect(world.weighed).toEqual(["apple", "pear"]);

    const after = await before.afterCrash();
    const end = await after.result(taskId);

    expect(end).toMatchObject({ status: "done", output: "5 and 4 grams" });
    expect(model.calls, "two before the crash, the third after it").toHaveLength(3);
    expect(world.weighed, "the call that was interrupted reads only, so it is made again").toEqual(["apple", "pear", "pear"]);
    await after.close();
    await before.close();
  });
});

test("a tool that throws is an error that the model reads, and one that yields gives its last value", async () => {
  const seen: unknown[] = [];
  const model = scriptedModel(({ messages }) => {
    const last = messages.at(-1);
    if (last?.role !== "tool") return { toolCalls: [{ toolName: "broken", input: {} }, { toolName: "yielding", input: {} }] };
    seen.push(...last.results.map(({ isError, value }) => ({ isError, value })));
    return "done";
  });
  const agent = defineAgent({
    name: "tester", output: z.string(),
    run: async (ctx) => {
      const tools = ctx.tools({
        broken: tool({ inputSchema: z.object({}), execute: (): string => { throw new Error("out of paper"); } }),
        yielding: tool({ inputSchema: z.object({}), outputSchema: z.string(), async *execute() { yield "half"; yield "whole"; } }),
      });
      return (await generateText({ model: ctx.model(reference), tools, stopWhen: stepCountIs(5), prompt })).text;
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });

  expect(await team.result(await team.submit(agent, undefined))).toMatchObject({ status: "done" });
  expect(JSON.stringify(seen)).toContain("out of paper");
  expect(seen[1]).toMatchObject({ isError: false, value: "whole" });
  await team.close();
});

test("a tool without a declared effect is once: a crash in it waits for a human", async () => {
  world.hangs = true;
  const agent = defineAgent({
    name: "weigher", output: z.string(),
    run: async (ctx) => (await generateText({ model: ctx.model(reference), tools: ctx.tools({ weigh: scale }), stopWhen: stepCountIs(10), prompt })).text,
  });
  const before = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: `${directory.path}/team`, model: weigher() });
  const taskId = await before.submit("weigher", null);
  await before.settle();

  const after = await before.afterCrash();
  await after.settle();
  const { status, waitingReason, runId } = await after.task(taskId);
  expect({ status, waitingReason }).toEqual({ status: "waiting", waitingReason: "unknown-effect" });
  await after.live.operations.approve(runId ?? "", "happened", { thing: "pear", grams: 4 });

  expect(await after.result(taskId)).toMatchObject({ status: "done", output: "5 and 4 grams" });
  expect(world.weighed).toEqual(["apple", "pear"]);
  await after.close();
  await before.close();
});

test("fromAgent makes an AI SDK agent a durable one", async () => {
  const agent = fromAgent({
    name: "weigher", input: z.object({ fruit: z.string() }),
    agent: (ctx) => new ToolLoopAgent({ model: ctx.model(reference), tools: ctx.tools({ weigh: scale }, { effects: { weigh: "read" } }) }),
    prompt: ({ fruit }) => `Weigh ${fruit}.`,
    verify: ({ output, accept, reject }) => (output.includes("grams") ? accept({ output }) : reject("no weight")),
  });
  const model = weigher();
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });

  expect(await team.result(await team.submit(agent, { fruit: "an apple and a pear" }))).toMatchObject({ status: "done", outcome: "verified", output: "5 and 4 grams" });
  expect(model.calls[0]?.messages.at(-1)).toEqual({ role: "user", text: "Weigh an apple and a pear." });
  await team.close();
});

test("a call that durable code did not give a signal is aborted all the same when its task is canceled", async () => {
  let signal: AbortSignal | undefined;
  const model = scriptedModel((request) => {
    ({ signal } = request);
    return { hang: true };
  });
  const agent = defineAgent({ name: "hanging", output: z.string(), run: async (ctx) => (await generateText({ model: ctx.model(reference), prompt })).text });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });
  const taskId = await team.submit(agent, undefined);
  await team.settle();
  expect(signal?.aborted).toBe(false);

  await team.cancel(taskId);
  await team.settle();

  expect(signal?.aborted).toBe(true);
  expect(await team.result(taskId)).toMatchObject({ status: "canceled" });
  await team.close();
});
