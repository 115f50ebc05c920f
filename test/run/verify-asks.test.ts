import { generateText } from "ai";
import { defineAgent, defineTeam, defineTool, usd } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { LonghaulError } from "../../src/base/error.ts";
import { fixedPrice } from "../../src/model/model-price.ts";
import { noUsage } from "../../src/record/usage.ts";

/** A second model judges what the first one wrote. */
function open({ judge, perTask = usd(1) }: { readonly judge: Parameters<typeof scriptedModel>[0]; readonly perTask?: ReturnType<typeof usd> }) {
  const looked: string[] = [];
  const look = defineTool({ name: "look", description: "Looks.", inputSchema: z.object({ what: z.string() }), effect: "read", execute: ({ what }) => { looked.push(what); return "seen"; } });
  const ship = defineTool({ name: "ship", description: "Ships.", inputSchema: z.object({}), effect: "once", execute: () => "shipped" });
  const writer = defineAgent({
    name: "writer", model: "anthropic/writer", instructions: "Write.", tools: [look, ship], budget: { perTask, perDay: usd(5) },
    async verify({ output, model, tool, accept, reject }) {
      const seen = await tool("look", { what: "the source" });
      const { text } = await generateText({ model: model("anthropic/judge"), prompt: `Is this right? ${String(output)}`, maxRetries: 0 });
      return text === "yes" ? accept({ seen, text }) : reject(`the judge said ${text}`);
    },
  });
  const models = { "anthropic/writer": scriptedModel("an answer"), "anthropic/judge": scriptedModel(judge) };
  return { writer, looked, team: testTeam(defineTeam({ name: "t", agents: [writer] }), { models }) };
}

test("verify may ask a model and read by a tool: within its one step, on record and paid from the task's budget", async () => {
  const { writer, looked, team: opening } = open({ judge: "yes" });
  const team = await opening;
  const taskId = await team.submit(writer, undefined);

  expect(await team.result(taskId)).toMatchObject({ status: "done", outcome: "verified", evidence: { seen: "seen", text: "yes" } });
  expect(looked).toEqual(["the source"]);
  const { runId } = await team.task(taskId);
  expect((await team.steps(String(runId))).map(({ kind, name }) => `${kind} ${name}`)).toEqual(["model t1/model", "verify verify"]);
  const calls = await team.records({ eventTypes: ["model_call", "tool_call"] });
  expect(calls.map(({ step, event_type, data }) => `${step} ${event_type} ${String(data["model"] ?? data["of"])}`).toSorted()).toEqual(["1 model_call scripted/model", "2 model_call anthropic/judge", "2 tool_call verify"]);
  await team.close();
});

test("a judge that would exceed the task's budget is not asked: the run waits", async () => {
  const price = fixedPrice({ input: 0, output: 1_000 });
  const judge = scriptedModel("yes", { price });
  const writer = defineAgent({
    name: "writer", model: "anthropic/writer", instructions: "Write.", limits: { outputTokensMax: 100 }, budget: { perTask: usd(0.15) },
    verify: async ({ model, accept }) => accept((await generateText({ model: model("anthropic/judge"), prompt: "?", maxRetries: 0 })).text),
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [writer] }), { models: { "anthropic/writer": scriptedModel(() => ({ message: { role: "assistant", parts: [{ type: "text", text: "answer" }] }, usage: { ...noUsage, outputTokens: 80 } }), { price }), "anthropic/judge": judge } });
  const taskId = await team.submit(writer, undefined);
  await team.settle();

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "budget" });
  expect(judge.calls).toEqual([]);
  await team.close();
});

test("a judge that cannot answer now makes the run wait, and verify is made again when it can", async () => {
  let isDown = true;
  const { writer, team: opening } = open({ judge: () => {
    if (isDown) throw new LonghaulError("MODEL_THROTTLED", "429", { retry: { afterMs: 120_000 } });
    return "yes";
  } });
  const team = await opening;
  const taskId = await team.submit(writer, undefined);
  await team.advance("5s");
  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "rate-limit" });

  isDown = false;

  expect(await team.result(taskId, "10m")).toMatchObject({ status: "done", outcome: "verified" });
  await team.close();
});

test("a judge that says no is a refusal like any", async () => {
  const answers = ["no", "yes"];
  const { writer, team: opening } = open({ judge: () => answers.shift() ?? "yes" });
  const team = await opening;

  expect(await team.result(await team.submit(writer, undefined))).toMatchObject({ status: "done", outcome: "verified" });
  expect(await team.records({ eventTypes: ["verify"], result: "rejected" })).toMatchObject([{ reason: "the judge said no" }]);
  await team.close();
});

test.each([["ship", "must not happen twice"], ["none", "does not have"]])("verify cannot call %s", async (name, why) => {
  const ship = defineTool({ name: "ship", description: "Ships.", inputSchema: z.object({}), effect: "once", execute: () => "shipped" });
  const agent = defineAgent({ name: "writer", model: "anthropic/writer", instructions: "Write.", tools: [ship], verify: async ({ tool, accept }) => accept({ did: String(await tool(name, {})) }) });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: scriptedModel("an answer") });

  expect(await team.result(await team.submit(agent, undefined))).toMatchObject({ status: "dead", failure: { message: expect.stringContaining(why) } });
  await team.close();
});
