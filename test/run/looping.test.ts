import { defineAgent, defineTeam, defineTool } from "longhaul";
import { scriptedModel, type Script, testTeam } from "longhaul/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

/* Threads that this answers: nearai/ironclaw#2240 and opencode#28596 (the same failing tool call up to 50 times), mastra-ai/mastra#9387. */

const limits = { turnsMax: 60 } as const;

async function open(script: Script, execute: (name: string, input: unknown) => unknown) {
  const world = { calls: 0 };
  const tool = (name: string) => defineTool({
    name, description: name, inputSchema: z.object({ at: z.number() }), effect: "read",
    execute: (input) => {
      world.calls++;
      return execute(name, input);
    },
  });
  const agent = defineAgent({ name: "worker", model: "anthropic/test", instructions: "Work.", tools: [tool("look"), tool("try")], limits });
  const model = scriptedModel(script);
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });
  return { world, model, team, end: team.result(await team.submit(agent, undefined)) };
}

const calling = (toolName: string, at = 1) => ({ toolCalls: [{ toolName, input: { at } }] });

describe("a model that repeats itself", () => {
  it("is told at the third time, its calls are not made from the fifth on, and the eighth ends the run", async () => {
    const { world, model, team, end } = await open(() => calling("look"), () => ({ found: 0 }));

    expect(await end).toMatchObject({ status: "dead", reason: "looping", evidence: { tools: ["look"], rounds: 8, period: 1 } });
    expect(world.calls).toBe(4);
    expect(model.calls).toHaveLength(8);
    const told = model.calls.at(-1)?.messages.flatMap((message) => (message.role === "tool" ? message.results.map(({ value }) => JSON.stringify(value)) : [])) ?? [];
    expect(told.map((value) => (/(Not made|You have asked).* the same calls (\d)/.exec(value)?.slice(1).join(" ") ?? value))).toEqual([
      '{"found":0}', '{"found":0}', "You have asked 3", "You have asked 4", "Not made 5", "Not made 6", "Not made 7",
    ]);
    expect((await team.records({ eventTypes: ["decision"] })).map(({ result, reason }) => [result, reason?.split(":")[0]])).toEqual([["looping", "warned"], ["looping", "blocked"]]);
    await team.close();
  });

  it("is seen going to and fro, too", async () => {
    const { world, team, end } = await open((_, number) => calling(number % 2 === 0 ? "look" : "try"), (name) => name);

    expect(await end).toMatchObject({ status: "dead", reason: "looping", evidence: { rounds: 8, period: 2 } });
    expect(world.calls, "four rounds, and the first half of the fifth").toBe(9);
    expect((await team.records({ eventTypes: ["decision"] })).map(({ reason }) => reason?.split(":")[0])).toEqual(["warned", "blocked"]);
    await team.close();
  });

  it("is seen though each failure names a request and a time of its own", async () => {
    let failures = 0;
    const fail = () => { throw new Error(`request req_8f3a${++failures}c91 failed at 2026-11-26T03:0${failures}:11.250Z: 503`); };
    const { world, team, end } = await open(() => calling("try"), fail);

    expect(await end).toMatchObject({ status: "dead", reason: "looping" });
    expect(world.calls).toBe(4);
    await team.close();
  });

  it("is seen though each failure says when it was and how long it took", async () => {
    let failures = 0;
    const fail = () => { throw new Error(`3:0${++failures}:11 AM: no answer after ${990 + 7 * failures} ms (${30_000 + failures}ms in all)`); };
    const { world, team, end } = await open(() => calling("try"), fail);

    expect(await end).toMatchObject({ status: "dead", reason: "looping" });
    expect(world.calls).toBe(4);
    await team.close();
  });

  it("goes on when it takes the hint", async () => {
    const { world, team, end } = await open((_, number) => (number <= 5 ? calling("look") : "done"), () => "nothing");

    expect(await end).toMatchObject({ status: "done", output: "done" });
    expect(world.calls).toBe(4);
    await team.close();
  });
});

it("a call that fails and gets on each time is left alone", async () => {
  let failing = 20;
  const { world, team, end } = await open((_, number) => (number <= 20 ? calling("try") : "done"), () => { throw new Error(`${failing--} of 20 tests fail`); });

  expect(await end).toMatchObject({ status: "done" });
  expect(world.calls).toBe(20);
  await team.close();
});

it("a model that gets on slowly is left alone, though its calls are the same for fifty turns", async () => {
  let done = 0;
  const { world, team, end } = await open((_, number) => (number <= 50 ? calling("try") : "done"), () => `${++done} of 50`);

  expect(await end).toMatchObject({ status: "done" });
  expect(world.calls).toBe(50);
  expect(await team.records({ eventTypes: ["decision"] })).toEqual([]);
  await team.close();
});
