import { defineAgent, defineTeam } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { generateText } from "ai";
import { expect, test } from "vitest";
import { LonghaulError } from "../../src/base/error.ts";

const modelId = "openai/test";
const limits = (requestsPerMinute: number) => ({ openai: { requestsPerMinute } });
const writer = defineAgent({ name: "writer", model: modelId, instructions: "Write.", limits: { concurrency: 100, deadline: "30d" } });

test("calls that one run makes at once have a turn each, and take no longer than those of many runs", async () => {
  const model = scriptedModel("done", { id: modelId });
  const one = defineAgent({
    name: "one",
    limits: { turnsMax: 50 },
    run: async (ctx) => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => generateText({ model: ctx.model(modelId), prompt: "Answer." })));
      return answers.length;
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [one], limits: limits(10) }), { models: model });

  const end = await team.result(await team.submit(one, null), "6m");

  expect(end).toMatchObject({ status: "done", output: 50 });
  expect(model.calls).toHaveLength(50);
  expect((await team.records({ eventTypes: ["park"], limit: 1_000 })).length, "one each and hardly more").toBeLessThanOrEqual(75);
  await team.close();
});

test("a call that is canceled while it is under way was made, and counts", async () => {
  const model = scriptedModel(({ signal }) => new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))), { id: modelId });
  const team = await testTeam(defineTeam({ name: "t", agents: [writer], limits: limits(5) }), { models: model });

  for (let round = 0; round < 4; round++) {
    const ids: string[] = [];
    for (let task = 0; task < 5; task++) ids.push(await team.submit(writer, undefined, { key: `${round}-${task}` }));
    await team.advance("2s");
    for (const id of ids) await team.cancel(id);
    await team.advance("1s");
  }

  expect(model.calls).toHaveLength(5);
  await team.close();
});

test.each([1, 60])("a call that always fails is made less and less often, though the limiter of %d a minute refuses its retries", async (requestsPerMinute) => {
  const model = scriptedModel(() => { throw new LonghaulError("MODEL_TRANSIENT", "500", { retry: "backoff" }); }, { id: modelId });
  const team = await testTeam(defineTeam({ name: "t", agents: [writer], limits: limits(requestsPerMinute) }), { models: model });
  const id = await team.submit(writer, undefined);

  await team.advance("12h");

  // After 1, 5, 25 and 60 min and then each 4 h, at most three times each.
  expect(model.calls.length).toBeLessThanOrEqual(7 * 3);
  expect((await team.task(id)).waitingReason).toBe("retry");
  await team.close();
});

test("tasks that were canceled while they waited for their turn hold nobody up", async () => {
  const model = scriptedModel("done", { id: modelId });
  const team = await testTeam(defineTeam({ name: "t", agents: [writer], limits: limits(10) }), { models: model });
  const ids: string[] = [];
  for (let task = 0; task < 300; task++) ids.push(await team.submit(writer, undefined, { key: `${task}` }));
  await team.advance("50s");
  for (const id of ids) await team.cancel(id);

  const end = await team.result(await team.submit(writer, undefined), "2m");

  expect(end.status).toBe("done");
  await team.close();
});
