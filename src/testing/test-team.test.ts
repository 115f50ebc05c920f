import { expect, test } from "vitest";
import { z } from "zod";
import { defineAgent, defineFlow } from "../agent/agent-definition.ts";
import { defineTeam } from "../agent/team-definition.ts";
import { defineTool } from "../agent/tool-definition.ts";
import { every } from "../agent/trigger-definition.ts";
import { scriptedModel } from "../model/scripted.ts";
import { testTeam } from "./test-team.ts";

const lookup = defineTool({ name: "lookup", description: "Find a company", inputSchema: z.object({ name: z.string() }), effect: "read", execute: ({ name }) => ({ employees: name.length }) });
const research = defineAgent({
  name: "research",
  model: "anthropic/claude-haiku-4-5",
  instructions: "Research.",
  tools: [lookup],
  input: z.object({ company: z.string() }),
  output: z.object({ employees: z.number() }),
  verify: ({ output, accept, reject }) => (output.employees > 0 ? accept({ employees: output.employees }) : reject("no employees")),
});

test("an agent calls its tool, hands in an answer and is verified", async () => {
  const model = scriptedModel([{ toolCalls: [{ toolName: "lookup", input: { name: "acme" } }] }, { object: { employees: 4 } }]);
  const team = await testTeam(defineTeam({ name: "t", agents: [research] }), { models: model });

  const end = await team.result(await team.submit(research, { company: "acme" }));

  expect(end).toMatchObject({ status: "done", outcome: "verified", output: { employees: 4 }, evidence: { employees: 4 } });
  const calls = await team.records({ eventTypes: ["tool_call"] });
  expect(calls).toMatchObject([{ tool_name: "lookup", tool_args: { name: "acme" }, result: "success", agent_id: "research", simulated: false }]);
  expect(model.calls).toHaveLength(2);
  await team.close();
});

test("a refusal by verify is fed back, then the task is dead with the evidence", async () => {
  const model = scriptedModel({ object: { employees: 0 } });
  const team = await testTeam(defineTeam({ name: "t", agents: [research] }), { models: model });

  const end = await team.result(await team.submit(research, { company: "acme" }));

  expect(end).toMatchObject({ status: "dead", reason: "rejected" });
  expect(model.calls).toHaveLength(3);
  expect(JSON.stringify(model.calls[2]?.messages)).toContain("no employees");
  await team.close();
});

test("durable code sleeps for days in no time and its schedule fires", async () => {
  const fired: number[] = [];
  const nightly = defineAgent({ name: "nightly", run: async (ctx) => { await ctx.step("count", () => { fired.push(1); }); return { at: ctx.now() }; }, triggers: [every("1d")] });
  const slow = defineFlow({ name: "slow", run: async (ctx) => { const from = ctx.now(); await ctx.sleep("3d"); return { days: (ctx.now() - from) / 86_400_000 }; } });
  const team = await testTeam(defineTeam({ name: "t", agents: [nightly], flows: [slow] }));

  const end = await team.result(await team.submit(slow, undefined), "4d");

  expect(end).toMatchObject({ status: "done", output: { days: 3 } });
  expect(fired.length).toBeGreaterThanOrEqual(2);
  await team.close();
});

test("a model that no script answers is refused by name", async () => {
  const team = await testTeam(defineTeam({ name: "t", agents: [research] }));

  const end = await team.result(await team.submit(research, { company: "acme" }));

  expect(end).toMatchObject({ status: "dead", failure: { code: "OPTION_INVALID", message: expect.stringContaining('no model for "anthropic/claude-haiku-4-5"') } });
  await team.close();
});

test("time stands still while the code of a run is told of a long journal again", async () => {
  const naps = 5;
  const sleeper = defineAgent({
    name: "sleeper",
    run: async (ctx) => {
      for (let index = 0; index < 200; index++) await ctx.step(`before-${index}`, () => index);
      const woken: number[] = [];
      for (let nap = 0; nap < naps; nap++) {
        await ctx.sleep("10s");
        woken.push(await ctx.step(`woken-${nap}`, () => team.now() - startMs));
      }
      return woken;
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [sleeper] }));
  const startMs = team.now();
  const id = await team.submit(sleeper, null);

  await team.advance("1h");

  expect((await team.task(id)).end).toMatchObject({ output: Array.from({ length: naps }, (_, nap) => (nap + 1) * 10_000) });
  await team.close();
});
