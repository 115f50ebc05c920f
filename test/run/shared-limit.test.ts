import { defineAgent, defineTeam, endpoint, type RunContext, type TeamSpec } from "longhaul";
import { createProviderSimulator, type ProviderLimits, type Receipt, replyText } from "longhaul/simulator";
import { scriptedModel, testTeam } from "longhaul/testing";
import { generateText, streamText } from "ai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Clock } from "../../src/base/clock.ts";
import { LonghaulError } from "../../src/base/error.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/*
 * Threads that this answers: openclaw/openclaw#35287 and #28847 (many sessions retry in phase), litellm#27823 (a stated wait that nobody honours),
 * openclaw/openclaw#60419 (a cool-down of the wrong scope).
 */

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 1);

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

interface World {
  readonly team: DiskTeam;
  readonly receipts: () => readonly Receipt[];
  /** Moves time on until every task has ended. */
  finish(minutesMax: number): Promise<void>;
  close(): Promise<void>;
}

type Provider = "anthropic" | "openai";

async function open(provider: Provider, limits: ProviderLimits, spec: Pick<TeamSpec, "agents" | "limits">): Promise<World> {
  const clock: Clock = { now: () => team.clock.now(), monotonicMs: () => team.clock.monotonicMs(), setTimer: (delayMs, run) => team.clock.setTimer(delayMs, run) };
  const simulator = createProviderSimulator({ clock, limits, script: () => replyText("done"), faults: () => ({ kind: "latency", ms: 1_500 }) });
  const endpoints = [endpoint({ name: provider, baseUrl: "http://simulator.invalid/v1", simulated: true, fetch: simulator.fetch })];
  const team: DiskTeam = await openDiskTeam(defineTeam({ name: "t", ...spec, endpoints }), { directory: directory.path });
  return {
    team,
    receipts: () => simulator.receipts(),
    async finish(minutesMax) {
      for (let step = 0; step < minutesMax * 6; step++) {
        if ((await team.live.tasks.list({ statuses: ["queued", "running", "waiting"], limit: 1 })).length === 0) return;
        await team.advance(10_000);
      }
      throw new Error(`Not every task ended within ${minutesMax} min.`);
    },
    async close() {
      await team.close();
      simulator.close();
    },
  };
}

const refused = (receipts: readonly Receipt[]): readonly Receipt[] => receipts.filter(({ status }) => status === 429);
const perMinute = (receipts: readonly Receipt[], count: (receipt: Receipt) => number): readonly number[] => {
  const counts = new Map<number, number>();
  for (const receipt of receipts) counts.set(Math.floor(receipt.atMs / minuteMs), (counts.get(Math.floor(receipt.atMs / minuteMs)) ?? 0) + count(receipt));
  return [...counts.values()];
};
const answered = (receipts: readonly Receipt[]): readonly Receipt[] => receipts.filter(({ status }) => status === 200);

const models = { anthropic: "anthropic/claude-haiku-4-5", openai: "openai/gpt-5.2" } as const;

describe.each(["anthropic", "openai"] as const)("an account of sixty calls a minute at %s", (provider) => {
  it("serves two hundred agents that all call at once, with hardly a call that it refuses", { timeout: 120_000 }, async () => {
    const agents = Array.from({ length: 200 }, (_, index) => defineAgent({ name: `agent-${index}`, model: models[provider], instructions: "Answer." }));
    const world = await open(provider, { requestsPerMinute: 60 }, { agents });
    for (const { name } of agents) await world.team.submit(name, null);

    await world.finish(8);

    expect(answered(world.receipts())).toHaveLength(200);
    expect(world.team.clock.now() - startMs, "sixty a minute are used: the last twenty come with the fourth minute").toBeLessThanOrEqual(3 * minuteMs + 30_000);
    expect(refused(world.receipts()).length).toBeLessThanOrEqual(world.receipts().length * 0.05);
    const [park] = await world.team.records({ eventTypes: ["park"], limit: 1 });
    expect(park).toMatchObject({ result: "refused", reason: expect.stringMatching(/is not called for another .*: its limit of 60 requests a minute is reached\.$/), data: { dependency: models[provider], limit: "requests", max: 60 } });
    expect(park?.data["account"]).toMatch(new RegExp(`^${provider} simulator\\.invalid/v1 [0-9a-f]{8}$`));
    await world.close();
  });

  it("is shared by two agents in equal parts, however many tasks one of them has", { timeout: 120_000 }, async () => {
    const agents = ["many", "few"].map((name) => defineAgent({ name, model: models[provider], instructions: `You are ${name}.`, limits: { concurrency: 60 } }));
    const world = await open(provider, { requestsPerMinute: 60 }, { agents });
    for (let index = 0; index < 400; index++) await world.team.submit("many", null);
    for (let index = 0; index < 200; index++) await world.team.submit("few", null);

    await world.team.advance(4 * minuteMs + 10_000);

    const [many = 0, few = 0] = await Promise.all(["many", "few"].map(async (agent) => (await world.team.records({ eventTypes: ["model_call"], result: "success", agent })).length));
    expect(many + few).toBeGreaterThanOrEqual(230);
    expect(Math.abs(many - few) / ((many + few) / 2), `${many} and ${few}`).toBeLessThanOrEqual(0.1);
    expect(refused(world.receipts()).length).toBeLessThanOrEqual(world.receipts().length * 0.05);
    await world.close();
  });

  it("serves what is urgent first", { timeout: 120_000 }, async () => {
    const agent = defineAgent({ name: "writer", model: models[provider], instructions: "Write.", limits: { concurrency: 200 } });
    const world = await open(provider, { requestsPerMinute: 60 }, { agents: [agent] });
    for (let index = 0; index < 140; index++) await world.team.submit("writer", null);
    await world.team.advance(5_000);
    const urgent: string[] = [];
    for (let index = 0; index < 10; index++) urgent.push((await world.team.live.operations.submit({ agent: "writer", input: null, priority: 5, source: "test" })).taskId);

    await world.team.advance(65_000);

    expect(await Promise.all(urgent.map(async (id) => (await world.team.task(id)).status))).toEqual(urgent.map(() => "done"));
    expect((await world.team.live.tasks.list({ statuses: ["done"], limit: 1_000 })).length, "the second sixty have just begun").toBeLessThanOrEqual(122);
    await world.finish(4);
    await world.close();
  });

  it("is asked for no more tokens a minute than it gives", { timeout: 120_000 }, async () => {
    const agents = Array.from({ length: 40 }, (_, index) => defineAgent({ name: `agent-${index}`, model: models[provider], instructions: "Answer. ".repeat(400), limits: { outputTokensMax: 100 } }));
    const world = await open(provider, { tokensPerMinute: 12_000 }, { agents });
    for (const { name } of agents) await world.team.submit(name, null);

    await world.finish(10);

    expect(Math.max(...perMinute(answered(world.receipts()), ({ inputTokens, outputTokens }) => inputTokens + outputTokens))).toBeLessThanOrEqual(12_000);
    expect(answered(world.receipts())).toHaveLength(40);
    expect(refused(world.receipts()).length).toBeLessThanOrEqual(2);
    expect((await world.team.records({ eventTypes: ["park"], limit: 1 }))[0]).toMatchObject({ data: { limit: "tokens", max: 12_000 } });
    await world.close();
  });
});

describe.each(["anthropic", "openai"] as const)("an account of five calls a minute at %s", (provider) => {
  const ways: Readonly<Record<string, (ctx: RunContext) => Promise<string>>> = {
    generateText: async (ctx) => (await generateText({ model: ctx.model(models[provider]), prompt: "Answer." })).text,
    streamText: async (ctx) => await streamText({ model: ctx.model(models[provider]), prompt: "Answer." }).text,
  };

  it.each(Object.entries(ways))("is known after the first calls of %s, be they refused", async (_, way) => {
    const agents = Array.from({ length: 20 }, (__, index) => defineAgent({ name: `agent-${index}`, run: way }));
    const world = await open(provider, { requestsPerMinute: 5 }, { agents });
    for (const { name } of agents) await world.team.submit(name, null);

    await world.finish(8);

    expect(answered(world.receipts())).toHaveLength(20);
    expect(refused(world.receipts()).length, "ten may be made at once").toBeLessThanOrEqual(5);
    await world.close();
  });
});

describe("limits that a team declares", () => {
  const agents = Array.from({ length: 60 }, (_, index) => defineAgent({ name: `agent-${index}`, model: "openai/gpt-5.2", instructions: "Answer.", limits: { outputTokensMax: 500 } }));
  const run = async (limits: TeamSpec["limits"]): Promise<{ readonly receipts: readonly Receipt[]; readonly tookMs: number }> => {
    const world = await open("openai", {}, limits === undefined ? { agents } : { agents, limits });
    for (const { name } of agents) await world.team.submit(name, null);
    await world.finish(30);
    const tookMs = world.team.clock.now() - startMs;
    await world.close();
    return { receipts: world.receipts(), tookMs };
  };

  it("hold calls back that the provider would have taken", { timeout: 120_000 }, async () => {
    const { receipts, tookMs } = await run(undefined);
    expect(receipts).toHaveLength(60);
    expect(tookMs).toBeLessThanOrEqual(20_000);
  });

  it.each([["its requests", { openai: { requestsPerMinute: 20 } }], ["those of one of its models", { "openai/gpt-5.2": { requestsPerMinute: 20 } }]])("are kept in each minute: %s", { timeout: 120_000 }, async (_, limits) => {
    const { receipts } = await run(limits);

    const starts = receipts.map(({ atMs }) => atMs).toSorted((a, b) => a - b);
    expect(starts).toHaveLength(60);
    expect(Math.max(...starts.map((atMs) => starts.filter((other) => other >= atMs && other < atMs + minuteMs).length))).toBe(20);
  });

  it("are kept of tokens, which are set aside before a call and settled after it", { timeout: 120_000 }, async () => {
    const { receipts } = await run({ openai: { tokensPerMinute: 1_000 } });

    expect(receipts).toHaveLength(60);
    expect(Math.max(...perMinute(receipts, ({ inputTokens, outputTokens }) => inputTokens + outputTokens))).toBeLessThanOrEqual(1_000);
    expect(Math.max(...perMinute(receipts, () => 1)), "one call may use 500: had that counted, there were one a minute").toBeGreaterThan(5);
  });

  it("are kept of calls at once", { timeout: 120_000 }, async () => {
    const { receipts } = await run({ openai: { concurrency: 3 } });

    const most = receipts.map(({ atMs }) => receipts.filter((other) => other.atMs <= atMs && other.atMs + 1_500 > atMs).length);
    expect(Math.max(...most)).toBe(3);
  });
});

it("a model that asks to be left alone holds back no other model of the account, and no other account", async () => {
  const calls: string[] = [];
  const model = (id: string) => scriptedModel(() => {
    calls.push(id);
    if (id === "openai/big") throw new LonghaulError("MODEL_THROTTLED", "429", { retry: { afterMs: 3_600_000 } });
    return "done";
  }, { id });
  const agents = ["openai/big", "openai/small", "anthropic/big"].map((id) => defineAgent({ name: id.replace("/", "-"), model: id as "openai/big", instructions: "Answer.", limits: { concurrency: 3 } }));
  const team = await testTeam(defineTeam({ name: "t", agents }), { models: Object.fromEntries(agents.map(({ spec }) => [String(spec.model), model(String(spec.model))])) });

  await team.submit("openai-big", null);
  await team.settle();
  const ids = await Promise.all(["openai-big", "openai-big", "openai-small", "anthropic-big"].map((name) => team.submit(name, null)));
  await team.advance("1m");

  expect(calls).toEqual(["openai/big", "openai/small", "anthropic/big"]);
  expect(await Promise.all(ids.map(async (id) => (await team.task(id)).waitingReason))).toEqual(["rate-limit", "rate-limit", null, null]);
  expect((await team.records({ eventTypes: ["park"] })).map(({ data }) => data)).toMatchObject([{ dependency: "openai/big", account: "openai", limit: "retry-after" }, { limit: "retry-after" }]);
  await team.close();
});
