import { type AgentDefinition, defineAgent, defineTeam } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";

async function open(verify: unknown) {
  const agent: AgentDefinition = defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", verify: verify as never });
  const model = scriptedModel("an answer");
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });
  return { team, model, run: async () => team.result(await team.submit("writer", null)) };
}

type Verify = { readonly accept: (evidence?: unknown) => unknown };

test("a verify that fails for a moment is asked again, and its retries leave records", async () => {
  let calls = 0;
  const { team, run } = await open(({ accept }: Verify) => {
    if (++calls < 3) throw new Error("the checker is busy");
    return accept({ calls });
  });

  expect(await run()).toMatchObject({ status: "done", outcome: "verified", evidence: { calls: 3 } });
  expect(await team.records({ eventTypes: ["retry"] })).toHaveLength(2);
  await team.close();
});

test("a verify that hangs ends at its time limit instead of holding the run for ever", async () => {
  const { team, run } = await open(() => new Promise(() => {}));

  expect(await run()).toMatchObject({ status: "dead", reason: "failed", failure: { code: "STEP_TIMEOUT", message: expect.stringContaining("writer: verify took longer than its limits.verifyTimeout of 10 min") } });
  await team.close();
});

test.each([[true], [undefined], [{ accepted: false }]])("a verify that returns %j is no verdict", async (returned) => {
  const { team, run } = await open(() => returned);

  expect(await run()).toMatchObject({ status: "dead", reason: "invalid-output", failure: { message: expect.stringContaining("Return accept(evidence) or reject(reason, evidence).") } });
  expect(await team.records({ eventTypes: ["error"] })).toHaveLength(1);
  await team.close();
});

test("the output of durable code is verified too, and a rejection ends the task", async () => {
  const agent = defineAgent({
    name: "counter", output: z.number(), run: async (ctx) => ctx.step("count", () => 7),
    verify: ({ output, transcript, accept, reject }) => (output > 7 ? accept() : reject("too few", { output, messages: transcript.length })),
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }));

  expect(await team.result(await team.submit(agent, undefined))).toMatchObject({ status: "dead", reason: "rejected", evidence: { output: 7, messages: 0 } });
  await team.close();
});
