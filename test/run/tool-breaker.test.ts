import { defineAgent, defineTeam, defineTool } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";

/** Asks for the tool once in each task, then says what it was told. */
const model = scriptedModel(({ messages }) => {
  const last = messages.at(-1);
  return last?.role === "tool" ? "told" : { toolCalls: [{ toolName: "ship", input: {} }] };
});

function open(effect: "read" | "once") {
  const world = { isDown: true, calls: 0 };
  const ship = defineTool({
    name: "ship", description: "Ships.", inputSchema: z.object({}), effect, timeout: "1s",
    execute: async () => {
      world.calls++;
      return world.isDown ? await new Promise(() => undefined) : "shipped";
    },
    ...(effect === "once" ? { reconcile: async () => ({ happened: false }) as const } : {}),
  });
  const agents = Array.from({ length: 20 }, (_, index) => defineAgent({ name: `a${index}`, model: "anthropic/test", instructions: "Ship.", tools: [ship] }));
  return { world, agents, team: testTeam(defineTeam({ name: "t", agents }), { models: model }) };
}

test.each(["read", "once"] as const)("a %s tool that hangs is called by nobody for a while; runs wait outside and go on when it answers again", async (effect) => {
  const { world, agents, team: opening } = open(effect);
  const team = await opening;
  for (const { name } of agents.slice(0, 10)) await team.submit(name, null);
  // One that is asked by `reconcile` whether it got through has ended once that said no twice, 2 s apart.
  await team.advance(effect === "once" ? "3s" : "1s");
  expect(await team.records({ eventTypes: ["breaker"] })).toMatchObject([{ result: "open", data: { dependency: "tool ship", from: "closed" } }]);
  const before = world.calls;

  const late = await Promise.all(agents.slice(10).map(({ name }) => team.submit(name, null)));
  await team.advance("10s");

  expect(world.calls).toBe(before);
  expect(await Promise.all(late.map(async (id) => (await team.task(id)).waitingReason))).toEqual(late.map(() => "breaker"));

  world.isDown = false;
  const ends = await Promise.all(late.map((id) => team.result(id, "5m")));

  expect(ends.map((end) => end.status)).toEqual(late.map(() => "done"));
  expect(world.calls - before).toBe(late.length);
  expect(await team.records({ eventTypes: ["breaker"], result: "closed" })).toHaveLength(1);
  expect(await team.tasks({ statuses: ["dead", "waiting"] })).toEqual([]);
  await team.close();
});

test("a tool that says no is not taken for one that is down", async () => {
  let calls = 0;
  const refuse = defineTool({ name: "ship", description: "Ships.", inputSchema: z.object({}), effect: "read", execute: () => { calls++; throw new Error("no stock"); } });
  const agents = Array.from({ length: 20 }, (_, index) => defineAgent({ name: `a${index}`, model: "anthropic/test", instructions: "Ship.", tools: [refuse] }));
  const team = await testTeam(defineTeam({ name: "t", agents }), { models: model });
  for (const { name } of agents) await team.submit(name, null);

  await team.advance("10s");

  expect(calls).toBe(20);
  expect(await team.records({ eventTypes: ["breaker"] })).toEqual([]);
  await team.close();
});
