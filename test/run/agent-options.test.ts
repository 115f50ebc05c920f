import { defineAgent, defineTeam } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";

test("what an agent says of its model calls reaches the model: instructions and prompt of the input, temperature, limits, the provider's own options", async () => {
  const model = scriptedModel("done");
  const agent = defineAgent({
    name: "writer", model: "anthropic/test", input: z.object({ topic: z.string() }),
    instructions: ({ topic }) => `Write about ${topic}.`, prompt: ({ topic }) => `Begin with ${topic}.`,
    temperature: 0.3, providerOptions: { anthropic: { effort: "low" } }, limits: { outputTokensMax: 77 },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });

  expect(await team.result(await team.submit(agent, { topic: "rivers" }))).toMatchObject({ status: "done" });

  expect(model.calls).toMatchObject([{
    messages: [{ role: "system", text: "Write about rivers." }, { role: "user", text: "Begin with rivers." }],
    temperature: 0.3, providerOptions: { anthropic: { effort: "low" } }, outputTokensMax: 77,
  }]);
  await team.close();
});

test("an agent that says nothing of them leaves temperature and options to the provider, and shows its input as JSON", async () => {
  const model = scriptedModel("done");
  const agent = defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", input: z.object({ topic: z.string() }) });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });

  await team.result(await team.submit(agent, { topic: "rivers" }));

  const [call] = model.calls;
  expect(call?.messages[1]).toEqual({ role: "user", text: '{\n  "topic": "rivers"\n}' });
  expect([call?.temperature, call?.providerOptions]).toEqual([undefined, undefined]);
  await team.close();
});

test("a wrong answer is fed back as often as verifyAttempts says", async () => {
  for (const verifyAttempts of [0, 1, 4]) {
    const model = scriptedModel("wrong");
    const agent = defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", verifyAttempts, verify: ({ reject }) => reject("no") });
    const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });

    expect(await team.result(await team.submit(agent, undefined))).toMatchObject({ status: "dead", reason: "rejected" });
    expect(model.calls).toHaveLength(verifyAttempts + 1);
    await team.close();
  }
});
