import { defineAgent, defineTeam, defineTool, type TeamDefinition, type AgentDefinition } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { MockLanguageModelV4 } from "ai/test";
import { generateText, simulateReadableStream } from "ai";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { describeProblem } from "../../src/agent/problem.ts";
import { validateTeam } from "../../src/agent/validate-team.ts";

/* Threads that this answers: can1357/oh-my-pi#8798 (a promise that never settles), Agenta#6976 (limits in no order, and none of them named). */

const never = (): Promise<never> => new Promise(() => undefined);
const inputSchema = z.object({});
const calling = (toolName: string) => ({ toolCalls: [{ toolName, input: {} }] });
const base = { name: "a", model: "anthropic/test", instructions: "Work." } as const;
const hang = defineTool({ name: "hang", description: "Hangs", inputSchema, effect: "read", timeout: "20s", execute: never });
const pay = defineTool({ name: "pay", description: "Pays", inputSchema, effect: "read", needsApproval: true, approvalWithin: "3h", execute: () => "paid" });

const silent = new MockLanguageModelV4({ provider: "mock", modelId: "silent", doStream: never, doGenerate: never });
const stuck = new MockLanguageModelV4({
  provider: "mock", modelId: "stuck",
  doStream: async () => ({ stream: simulateReadableStream({ chunks: [{ type: "stream-start", warnings: [] }, { type: "text-start", id: "1" }, { type: "text-delta", id: "1", delta: "Well" }, { type: "text-delta", id: "1", delta: "Well" }], chunkDelayInMs: null, initialDelayInMs: null }).pipeThrough(new TransformStream({ flush: never })) }),
});

/** Nothing that these agents call heeds its signal. */
const hanging: readonly (readonly [limit: string, agent: AgentDefinition, says: RegExp])[] = [
  ["limits.firstChunkTimeout", defineAgent({ ...base, model: silent, limits: { firstChunkTimeout: "20s" } }), /no content within 20 s of the request.*limits\.firstChunkTimeout/],
  ["limits.betweenChunksTimeout", defineAgent({ ...base, model: stuck, limits: { betweenChunksTimeout: "25s" } }), /nothing more for 25 s.*limits\.betweenChunksTimeout/],
  ["limits.modelCallTimeout", defineAgent({ ...base, model: silent, limits: { modelCallTimeout: "40s" } }), /did not finish its answer within 40 s.*limits\.modelCallTimeout/],
  ["a tool's timeout", defineAgent({ ...base, tools: [hang] }), /Tool hang did not end within its timeout of 20 s/],
  ["a tool's approvalWithin", defineAgent({ ...base, tools: [pay] }), /its approvalWithin of 3 h/],
  ["a step's timeout", defineAgent({ name: "a", run: (ctx) => ctx.step("wait", never, { timeout: "30s", attempts: 1 }) }), /ctx\.step\(.*wait.*\) took longer than its timeout of 30 s/],
  ["limits.verifyTimeout", defineAgent({ ...base, verify: never, limits: { verifyTimeout: "35s" } }), /a: verify took longer than its limits\.verifyTimeout of 35 s/],
  ["limits.activeTime", defineAgent({ name: "a", limits: { activeTime: "5m" }, run: (ctx) => ctx.step("wait", never) }), /executed for 5 min .* limits\.activeTime/],
  ["limits.deadline", defineAgent({ name: "a", limits: { deadline: "1d" }, run: (ctx) => ctx.waitFor("godot") }), /passed its deadline of .* limits\.deadline/],
];

it.each(hanging)("%s names itself when it fires, and what ignores its signal does not hold the run", async (_, agent, says) => {
  const model = scriptedModel((_messages, number) => (number === 1 && agent.spec.tools !== undefined ? calling(agent.spec.tools.includes(pay) ? "pay" : "hang") : "done"));
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), typeof agent.spec.model === "string" ? { models: model } : {});
  const taskId = await team.submit(agent, undefined);
  for (let minute = 0; minute < 10; minute++) await team.advance(60_000);
  for (let hour = 0; hour < 30; hour++) await team.advance(3_600_000);

  const told = JSON.stringify([await team.task(taskId), await team.records({})]);
  expect(told).toMatch(says);
  await team.close();
});

describe("a limit above the one around it", () => {
  const toolWith = (changes: object) => ({ tools: [defineTool({ name: "look", description: "Looks", inputSchema, effect: "read", execute: () => null, ...changes })] });
  const withLimits = (limits: object, changes: object = {}): TeamDefinition => defineTeam({ name: "t", agents: [defineAgent({ ...base, ...changes, limits })] });

  it.each<[string, TeamDefinition, string]>([
    ["the first content and the call", withLimits({ firstChunkTimeout: "11m" }), 'limits.firstChunkTimeout is "11m". It is above limits.modelCallTimeout of its agent (10 min)'],
    ["a gap and the call", withLimits({ betweenChunksTimeout: "6m", modelCallTimeout: "5m" }), 'limits.betweenChunksTimeout is "6m". It is above limits.modelCallTimeout of its agent (5 min)'],
    ["the call and the active time", withLimits({ modelCallTimeout: "2h" }), 'limits.modelCallTimeout is "2h". It is above limits.activeTime of its agent (1 h)'],
    ["verify and the active time", withLimits({ verifyTimeout: "2h" }), 'limits.verifyTimeout is "2h". It is above limits.activeTime of its agent (1 h)'],
    ["the active time and the deadline", withLimits({ activeTime: "2h", deadline: "1h" }), 'limits.activeTime is "2h". It is above limits.deadline of its agent (1 h)'],
    ["a tool and the active time", withLimits({ activeTime: "10m" }, toolWith({ timeout: "11m" })), 'timeout is "11m". It is above limits.activeTime of its agent (10 min)'],
    ["a person and the deadline", withLimits({ deadline: "1h" }, toolWith({ needsApproval: true, approvalWithin: "2h" })), 'approvalWithin is "2h". It is above limits.deadline of its agent (1 h)'],
  ])("is reported when the team loads, with both names and both times: %s", (_, team, problem) => {
    expect(validateTeam(team).map(describeProblem).join()).toContain(problem);
  });

  it("is none where a default gives way, or both are the same", () => {
    expect(validateTeam(withLimits({ activeTime: "1m", deadline: "30m" }, toolWith({ timeout: "1m" })))).toEqual([]);
    expect(validateTeam(withLimits({ modelCallTimeout: "6h", verifyTimeout: "6h", activeTime: "6h", deadline: "6h" }, toolWith({ timeout: "6h" })))).toEqual([]);
  });

  it.each<[string, Parameters<typeof defineAgent>[0]["run"], string]>([
    ["ctx.step", (ctx) => ctx.step("fetch", () => 1, { timeout: "2h" }), 'ctx.step("fetch"): timeout is "2h". It is above limits.activeTime of its agent (1 h)'],
    ["ctx.waitFor", (ctx) => ctx.waitFor("go", { timeout: "8d" }), 'ctx.waitFor("go"): timeout is "8d". It is above limits.deadline of its agent (7 d)'],
    ["ctx.tools", async (ctx) => void ctx.tools({}, { approvalWithin: "8d" }), 'ctx.tools: approvalWithin is "8d". It is above limits.deadline of its agent (7 d)'],
  ])("is refused where it is stated: %s", async (_, run, message) => {
    const agent = defineAgent({ name: "a", run } as never);
    const team = await testTeam(defineTeam({ name: "t", agents: [agent] }));

    expect(await team.result(await team.submit("a", undefined))).toMatchObject({ status: "dead", failure: { code: "OPTION_INVALID", message: expect.stringContaining(message) as string } });
    await team.close();
  });
});

it("a model of durable code that is silent is given up, and the run does not wait for it", async () => {
  const agent = defineAgent({ name: "a", limits: { firstChunkTimeout: "20s", activeTime: "2m", modelCallTimeout: "30s" }, run: async (ctx) => (await generateText({ model: ctx.model(silent), prompt: "Hello.", maxRetries: 0 })).text });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }));
  const taskId = await team.submit(agent, undefined);
  for (let minute = 0; minute < 20; minute++) await team.advance(60_000);

  expect((await team.records({ eventTypes: ["model_call"] }))[0]?.reason).toMatch(/limits\.modelCallTimeout/);
  expect((await team.task(taskId)).status).not.toBe("running");
  await team.close();
});
