import { defineAgent, defineTeam, type RunContext } from "longhaul";
import { scriptedModel, type Script, testTeam } from "longhaul/testing";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { describe, expect, it, test } from "vitest";
import { z } from "zod";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/* Threads that this answers: nearai/ironclaw#2240 and opencode#28596, for code that brings its own loop. */

type Execute = (name: string, at: number) => unknown;

function toolsOf(ctx: RunContext, execute: Execute) {
  const one = (name: string) => tool({ description: name, inputSchema: z.object({ at: z.number() }), execute: async ({ at }): Promise<unknown> => await execute(name, at) });
  return ctx.tools({ look: one("look"), try: one("try") }, { effects: { look: "read", try: "idempotent" } });
}

const ways = {
  async generateText(ctx: RunContext, execute: Execute) {
    return (await generateText({ model: ctx.model("anthropic/test"), prompt: "Work.", tools: toolsOf(ctx, execute), stopWhen: stepCountIs(60) })).text;
  },
  async streamText(ctx: RunContext, execute: Execute) {
    return await streamText({ model: ctx.model("anthropic/test"), prompt: "Work.", tools: toolsOf(ctx, execute), stopWhen: stepCountIs(60), onError: () => undefined }).text;
  },
};

async function open(way: keyof typeof ways, script: Script, execute: Execute) {
  const world = { calls: 0 };
  const counted: Execute = (name, at) => {
    world.calls++;
    return execute(name, at);
  };
  const agent = defineAgent({ name: "worker", limits: { turnsMax: 60 }, run: (ctx) => ways[way](ctx, counted) });
  const model = scriptedModel(script);
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });
  return { world, model, team, end: team.result(await team.submit(agent, undefined)) };
}

const calling = (toolName: string, at = 1) => ({ toolCalls: [{ toolName, input: { at } }] });
const reasons = async (team: Awaited<ReturnType<typeof open>>["team"]) => (await team.records({ eventTypes: ["decision"] })).map(({ result, reason }) => `${result} ${reason?.split(":")[0]}`);

describe.each(["generateText", "streamText"] as const)("a model that repeats itself in a loop of %s", (way) => {
  it("is recorded at the third time, its calls are not made from the fifth on, and the eighth ends the run", async () => {
    const { world, model, team, end } = await open(way, () => calling("look"), () => ({ found: 0 }));

    expect(await end).toMatchObject({ status: "dead", reason: "looping", evidence: { tools: ["look"], rounds: 8, period: 1 } });
    expect(world.calls).toBe(4);
    expect(model.calls).toHaveLength(8);
    expect(JSON.stringify(model.calls.at(-1)?.messages).match(/Not made/g)).toHaveLength(3);
    expect(await reasons(team)).toEqual(["looping warned", "looping blocked"]);
    await team.close();
  });

  it("is seen going to and fro, too", async () => {
    const { world, team, end } = await open(way, (_, number) => calling(number % 2 === 0 ? "look" : "try"), (name) => name);

    expect(await end).toMatchObject({ status: "dead", reason: "looping", evidence: { rounds: 8, period: 2 } });
    expect(world.calls, "four rounds, and the first half of the fifth").toBe(9);
    await team.close();
  });

  it("is seen when it makes several calls at once, each time in another order", async () => {
    const both = [{ toolName: "look", input: { at: 1 } }, { toolName: "try", input: { at: 2 } }];
    const { world, team, end } = await open(way, (_, number) => ({ toolCalls: number % 2 === 0 ? both : both.toReversed() }), (name) => name);

    expect(await end).toMatchObject({ status: "dead", reason: "looping", evidence: { rounds: 8, period: 1 } });
    expect(world.calls).toBe(8);
    await team.close();
  });

  it("is seen though each failure names a request and a time of its own", async () => {
    let failures = 0;
    const { world, team, end } = await open(way, () => calling("try"), () => { throw new Error(`request req_8f3a${++failures}c91 failed at 2026-11-26T03:0${failures}:11.250Z: 503`); });

    expect(await end).toMatchObject({ status: "dead", reason: "looping" });
    expect(world.calls).toBe(4);
    await team.close();
  });

  it("goes on when it takes the hint", async () => {
    const { world, team, end } = await open(way, (_, number) => (number <= 5 ? calling("look") : "done"), () => "nothing");

    expect(await end).toMatchObject({ status: "done", output: "done" });
    expect(world.calls).toBe(4);
    await team.close();
  });

  it("is left alone when it gets on slowly, though its calls are the same for fifty turns", async () => {
    let done = 0;
    const { world, team, end } = await open(way, (_, number) => (number <= 50 ? calling("try") : "done"), () => `${++done} of 50`);

    expect(await end).toMatchObject({ status: "done" });
    expect(world.calls).toBe(50);
    expect(await reasons(team)).toEqual([]);
    await team.close();
  });
});

describe("conversations of one run that each make the same call once", () => {
  const companies = Array.from({ length: 12 }, (_, index) => `Company ${index}`);
  const script: Script = ({ messages }) => (messages.at(-1)?.role === "tool" ? "done" : calling("look"));

  it.each<[string, (ask: (company: string) => Promise<string>) => Promise<unknown>]>([
    ["one after the other", async (ask) => { for (const company of companies) await ask(company); }],
    ["beside one another", async (ask) => await Promise.all(companies.map(ask))],
  ])("are left alone: %s", async (_, all) => {
    let calls = 0;
    const agent = defineAgent({
      name: "worker", limits: { turnsMax: 60 },
      run: async (ctx) => await all(async (prompt) => (await generateText({ model: ctx.model("anthropic/test"), prompt, tools: toolsOf(ctx, () => (calls++, "the guidelines")), stopWhen: stepCountIs(5) })).text),
    });
    const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: scriptedModel(script) });

    expect(await team.result(await team.submit(agent, undefined))).toMatchObject({ status: "done" });
    expect(calls).toBe(12);
    expect(await reasons(team)).toEqual([]);
    await team.close();
  });
});

test("a loop in one conversation is seen, though another one beside it gets on", async () => {
  let made = 0;
  let looped = 0;
  const script: Script = ({ messages }, number) => (JSON.stringify(messages).includes("Loop.") ? calling("look") : calling("try", number));
  const agent = defineAgent({
    name: "worker", limits: { turnsMax: 200 },
    run: async (ctx) => {
      const tools = toolsOf(ctx, (name) => (name === "look" ? (looped++, "nothing") : `part ${made++}`));
      return await Promise.all(["Loop.", "Work."].map(async (prompt) => (await generateText({ model: ctx.model("anthropic/test"), prompt, tools, stopWhen: stepCountIs(60) })).text));
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: scriptedModel(script) });

  expect(await team.result(await team.submit(agent, undefined))).toMatchObject({ status: "dead", reason: "looping", evidence: { tools: ["look"], rounds: 8, period: 1 } });
  expect(looped).toBe(4);
  await team.close();
});

const options = { toolCallId: "", messages: [], context: {} } as never;

async function runCode(run: (ctx: RunContext, look: (at: number) => Promise<unknown>) => Promise<unknown>) {
  let calls = 0;
  const agent = defineAgent({
    name: "worker",
    run: async (ctx) => {
      const tools = toolsOf(ctx, () => (calls++, "pending"));
      return await run(ctx, async (at) => await tools.look.execute?.({ at }, options));
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }));
  const taskId = await team.submit(agent, undefined);
  await team.settle();
  for (let hour = 0; hour < 30; hour++) await team.advance(3_600_000);
  const end = await team.result(taskId);
  await team.close();
  return { end, calls };
}

test("plain code that makes the same call over and over ends, whatever it makes of errors", async () => {
  const { end, calls } = await runCode(async (_, look) => {
    for (;;) await look(1).catch(() => "never mind");
  });

  expect(end).toMatchObject({ status: "dead", reason: "looping", evidence: { rounds: 8, period: 1 } });
  expect(calls).toBe(4);
});

test("code that asks again and again, and sleeps between, asks on purpose", async () => {
  const { end, calls } = await runCode(async (ctx, look) => {
    for (let asked = 0; asked < 20; asked++) {
      await look(1);
      await ctx.sleep("1h");
    }
    return "asked";
  });

  expect(end).toMatchObject({ status: "done" });
  expect(calls).toBe(20);
});

test("code that makes many different calls is left alone", async () => {
  const { end, calls } = await runCode(async (_, look) => {
    for (let at = 0; at < 40; at++) await look(at);
    return "asked";
  });

  expect(end).toMatchObject({ status: "done" });
  expect(calls).toBe(40);
});

test("what was seen is seen the same after a crash: no call is made again, and the count goes on", async () => {
  const folder = temporaryDirectory();
  let calls = 0;
  let asked = 0;
  const agent = defineAgent({ name: "worker", limits: { turnsMax: 60 }, run: (ctx) => ways.generateText(ctx, () => (calls++, "nothing")) });
  const model = scriptedModel(() => (++asked === 7 ? { hang: true } : calling("look")));
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: folder.path, model });
  const taskId = await team.submit("worker", null);
  await team.advance(1_000);
  expect([calls, asked]).toEqual([4, 7]);

  const next = await team.afterCrash();
  await team.close();
  await next.advance(1_000);

  expect(await next.task(taskId)).toMatchObject({ status: "dead", end: { reason: "looping", evidence: { rounds: 8, period: 1 } } });
  expect([calls, asked]).toEqual([4, 9]);
  expect((await next.records({ eventTypes: ["decision"] })).map(({ reason }) => reason?.split(":")[0])).toEqual(["warned", "blocked"]);
  await next.close();
  folder.remove();
});
