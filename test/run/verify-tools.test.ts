import { generateText } from "ai";
import { defineAgent, defineTeam, defineTool, fallback, usd } from "longhaul";
import { scriptedModel, testTeam, type TestTeam } from "longhaul/testing";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { LonghaulError } from "../../src/base/error.ts";
import { macrotask } from "../../src/base/turn.ts";
import { fixedPrice } from "../../src/model/model-price.ts";
import { noUsage } from "../../src/record/usage.ts";

let opened: TestTeam | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});
const open = async (...[definition, options]: Parameters<typeof testTeam>): Promise<TestTeam> => (opened = await testTeam(definition, options));

const hanging = (): Promise<never> => new Promise(() => undefined);
const throttled = (): never => { throw new LonghaulError("MODEL_THROTTLED", "429", { retry: { afterMs: 120_000 } }); };
const breakerStates = async (team: TestTeam): Promise<readonly unknown[]> => (await team.records({ eventTypes: ["breaker"] })).flatMap(({ data, result }) => (data["to"] === undefined ? [] : [result]));

function lookTool(execute: () => unknown, { timeout = "1s", concurrency = 10 }: { readonly timeout?: "1s" | "1h"; readonly concurrency?: number } = {}) {
  return defineTool({ name: "look", description: "Looks.", inputSchema: z.object({}), effect: "read", timeout, concurrency, execute });
}

/** Agents whose verify looks, so many of them. */
function lookers(count: number, look: ReturnType<typeof lookTool>) {
  return Array.from({ length: count }, (_, n) => defineAgent({ name: `a${n}`, model: "anthropic/test", instructions: "Write.", tools: [look], verify: async ({ tool, accept }) => accept({ seen: String(await tool("look", {})) }) }));
}

test("a tool that hangs in verify makes the run wait, opens its breaker, and verify is made again when it answers", async () => {
  const world = { isDown: true, calls: 0 };
  const agents = lookers(20, lookTool(() => { world.calls++; return world.isDown ? hanging() : "seen"; }));
  const team = await open(defineTeam({ name: "t", agents }), { models: scriptedModel("answer") });
  const ids = await Promise.all(agents.map(({ name }) => team.submit(name, null)));
  await team.advance("5m");

  expect(await breakerStates(team)).toEqual(expect.arrayContaining(["open"]));
  expect(await breakerStates(team)).not.toContain("closed");
  const callsWhileDown = world.calls;
  expect(callsWhileDown).toBeLessThan(40);
  expect(new Set((await team.tasks({})).map(({ status }) => status))).toEqual(new Set(["waiting"]));
  world.isDown = false;

  for (const id of ids) expect(await team.result(id, "1d")).toMatchObject({ outcome: "verified", evidence: { seen: "seen" } });
});

test("a tool that says no is an answer: verify fails, and nothing waits for it", async () => {
  const [agent] = lookers(1, lookTool(() => { throw new Error("no such page"); }));
  if (agent === undefined) throw new Error("no agent");
  const team = await open(defineTeam({ name: "t", agents: [agent] }), { models: scriptedModel("answer") });

  expect(await team.result(await team.submit(agent, null))).toMatchObject({ status: "dead", failure: { message: expect.stringContaining("no such page") as string } });
});

test("calls of verify wait for their turn at a tool like any other", async () => {
  const world = { now: 0, max: 0 };
  const look = lookTool(async () => {
    world.max = Math.max(world.max, ++world.now);
    for (let turn = 0; turn < 50; turn++) await macrotask();
    world.now--;
    return "seen";
  }, { concurrency: 1, timeout: "1h" });
  const agents = lookers(8, look);
  const team = await open(defineTeam({ name: "t", agents }), { models: scriptedModel("answer") });
  for (const id of await Promise.all(agents.map(({ name }) => team.submit(name, null)))) expect(await team.result(id)).toMatchObject({ outcome: "verified" });

  expect(world.max).toBe(1);
});

const putTool = (onPut: (what: string, key: string) => void) =>
  defineTool({ name: "put", description: "Puts.", inputSchema: z.object({ what: z.string() }), effect: "idempotent", execute: ({ what }, { idempotencyKey }) => { onPut(what, idempotencyKey); return "put"; } });

test("the same call has the same idempotency key when verify is made again, another call another one, and each has its record", async () => {
  const keys: [string, string][] = [];
  const world = { tries: 0, isDown: true };
  const writer = defineAgent({
    name: "writer", model: "anthropic/writer", instructions: "Write.", tools: [putTool((what, key) => keys.push([what, key]))],
    async verify({ tool, model, accept }) {
      const isFirst = world.tries++ === 0;
      if (!isFirst) await tool("put", { what: "sometimes" });
      await tool("put", { what: "a" });
      await tool("put", { what: "a" });
      if (isFirst) throw new Error("flaky");
      return accept((await generateText({ model: model("anthropic/judge"), prompt: "?", maxRetries: 0 })).text);
    },
  });
  const judge = scriptedModel(() => { if (!world.isDown) return "yes"; world.isDown = false; return throttled(); });
  const team = await open(defineTeam({ name: "t", agents: [writer] }), { models: { "anthropic/writer": scriptedModel("a"), "anthropic/judge": judge } });

  expect(await team.result(await team.submit(writer, undefined), "10m")).toMatchObject({ outcome: "verified" });
  expect(world.tries).toBe(3);
  const keysOf = (what: string): readonly string[] => keys.flatMap(([put, key]) => (put === what ? [key] : []));
  expect(keysOf("a")).toHaveLength(6);
  expect(new Set(keysOf("a")).size).toBe(2);
  expect(new Set(keysOf("sometimes")).size).toBe(1);
  expect(new Set(keys.map(([, key]) => key)).size).toBe(3);
  expect(await team.records({ eventTypes: ["tool_call"] })).toHaveLength(keys.length);
});

test("another answer is another verify: its calls have keys of their own", async () => {
  const keys: string[] = [];
  const writer = defineAgent({
    name: "writer", model: "anthropic/writer", instructions: "Write.", tools: [putTool((_, key) => keys.push(key))],
    async verify({ tool, accept, reject }) { await tool("put", { what: "a" }); return keys.length === 1 ? reject("once more") : accept(); },
  });
  const team = await open(defineTeam({ name: "t", agents: [writer] }), { models: scriptedModel("a") });

  expect(await team.result(await team.submit(writer, undefined))).toMatchObject({ outcome: "verified" });
  expect(new Set(keys).size).toBe(2);
});

test("a judge that answers in the place of another makes the outcome degraded, and says so", async () => {
  const writer = defineAgent({
    name: "writer", model: "anthropic/writer", instructions: "Write.",
    verify: async ({ model, accept }) => accept((await generateText({ model: model(fallback(["anthropic/judge", "openai/cheap"])), prompt: "?", maxRetries: 0 })).text),
  });
  const refusing = scriptedModel(() => { throw new LonghaulError("MODEL_AUTH", "401", { retry: "never" }); });
  const team = await open(defineTeam({ name: "t", agents: [writer] }), { models: { "anthropic/writer": scriptedModel("a"), "anthropic/judge": refusing, "openai/cheap": scriptedModel("yes") } });
  const taskId = await team.submit(writer, undefined);

  expect(await team.result(taskId)).toMatchObject({ outcome: "degraded", evidence: "yes", reason: "openai/cheap answered in the place of anthropic/judge: 401" });
  const { runId } = await team.task(taskId);
  expect((await team.steps(String(runId))).at(-1)).toMatchObject({ kind: "verify", outcome: { value: { accepted: true, standIns: [{ from: "anthropic/judge", to: "openai/cheap" }] } } });
});

test("a judge that lost a race is stopped, and its money and its record are there when the step ends", async () => {
  const price = fixedPrice({ input: 0, output: 1_000 });
  const said = (text: string) => ({ message: { role: "assistant" as const, parts: [{ type: "text" as const, text }] }, usage: { ...noUsage, outputTokens: 1 } });
  const world: { signal: AbortSignal | null } = { signal: null };
  const writer = defineAgent({
    name: "writer", model: "anthropic/writer", instructions: "Write.", limits: { outputTokensMax: 100 }, budget: { perTask: usd(0.4), perDay: usd(5) },
    async verify({ model, accept, signal }) {
      world.signal = signal;
      const ask = (id: "anthropic/slow" | "anthropic/fast") => generateText({ model: model(id), prompt: "?", maxRetries: 0 });
      return accept({ text: (await Promise.race([ask("anthropic/slow"), ask("anthropic/fast")])).text });
    },
  });
  const models = { "anthropic/writer": scriptedModel(() => said("a"), { price }), "anthropic/fast": scriptedModel(() => said("yes"), { price }), "anthropic/slow": scriptedModel(hanging, { price }) };
  const team = await open(defineTeam({ name: "t", agents: [writer] }), { models });

  expect(await team.result(await team.submit(writer, undefined))).toMatchObject({ outcome: "verified", evidence: { text: "yes" } });
  expect(world.signal?.aborted).toBe(false);
  const calls = await team.records({ eventTypes: ["model_call"] });
  expect(calls.find(({ data }) => data["model"] === "anthropic/slow")).toMatchObject({ result: "error", reason: expect.stringContaining("verify of writer ended without this answer") as string });
});

test("what verify asks after it has ended is not asked", async () => {
  const world: { tool: ((name: string, input: unknown) => Promise<unknown>) | null; looked: number } = { tool: null, looked: 0 };
  const look = lookTool(() => ++world.looked);
  const writer = defineAgent({ name: "writer", model: "anthropic/writer", instructions: "Write.", tools: [look], verify: ({ tool, accept }) => { world.tool = tool; return accept(); } });
  const team = await open(defineTeam({ name: "t", agents: [writer] }), { models: scriptedModel("a") });
  await team.result(await team.submit(writer, undefined));
  let isTold = false;
  void world.tool?.("look", {}).finally(() => (isTold = true));
  await team.settle();

  expect([world.looked, isTold]).toEqual([0, false]);
});
