import { defineAgent, defineTeam, usd } from "longhaul";
import { scriptedModel, type Script, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { LonghaulError } from "../../src/base/error.ts";
import type { AssistantMessage } from "../../src/record/message.ts";
import { noUsage } from "../../src/record/usage.ts";
import { fixedPrice } from "../../src/model/model-price.ts";

/** $0.001 for each output token; a call of this agent can cost $0.10. */
const price = fixedPrice({ input: 0, output: 1000 });
const day = 86_400_000;

function writer(budget: { readonly perTask?: number; readonly perDay?: number }, changes: { readonly turnsMax?: number; readonly concurrency?: number } = {}) {
  const { turnsMax = 25, concurrency = 1 } = changes;
  return defineAgent({
    name: "writer", model: "anthropic/test", instructions: "Write.", input: z.object({ n: z.number() }),
    limits: { outputTokensMax: 100, turnsMax, concurrency },
    budget: { ...(budget.perTask === undefined ? {} : { perTask: usd(budget.perTask) }), ...(budget.perDay === undefined ? {} : { perDay: usd(budget.perDay) }) },
  });
}

/** Says something that used so many output tokens. */
function costing(outputTokens: number, message: AssistantMessage = { role: "assistant", parts: [{ type: "text", text: "done" }] }) {
  return { message, usage: { ...noUsage, outputTokens } };
}
const callsNobody: AssistantMessage = { role: "assistant", parts: [{ type: "tool-call", callId: "c", toolName: "nothing", input: {} }] };

async function open(agent: ReturnType<typeof writer>, script: Script) {
  const model = scriptedModel(script, { price });
  return { model, team: await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model }) };
}

test("a task that reaches its budget waits, and the record names the numbers", async () => {
  const { team, model } = await open(writer({ perTask: 0.25, perDay: 5 }), () => costing(80, callsNobody));

  const taskId = await team.submit("writer", { n: 1 });
  await team.settle();

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "budget" });
  expect(model.calls, "0.08 + 0.08 are spent, and a third call could cost 0.10").toHaveLength(2);
  const [refusal] = await team.records({ eventTypes: ["budget"] });
  expect(refusal).toMatchObject({ result: "refused", agent_id: "writer", data: { limit: "task", limitMicroUsd: 250_000, usedMicroUsd: 160_000, estimateMicroUsd: 100_000 } });
  expect(refusal?.reason).toBe("writer: this call can cost $0.1000; $0.1600 of budget.perTask $0.2500 are used. Raise budget.perTask and start the team again.");
  await team.close();
});

test("a day that reaches its budget waits until the UTC day ends, then goes on", async () => {
  const { team, model } = await open(writer({ perTask: 0.15, perDay: 0.15 }), () => costing(90));
  await team.advance("20h");

  const first = await team.result(await team.submit("writer", { n: 1 }));
  const secondId = await team.submit("writer", { n: 2 });
  await team.settle();
  const waitingSince = team.now();
  expect(await team.task(secondId)).toMatchObject({ status: "waiting", waitingReason: "budget" });

  const second = await team.result(secondId);

  expect([first.status, second.status]).toEqual(["done", "done"]);
  expect(team.now() - waitingSince).toBe(4 * 3_600_000);
  expect(team.now() % day).toBe(0);
  expect(model.calls).toHaveLength(2);
  expect((await team.records({ eventTypes: ["budget"] }))[0]?.reason).toContain("It goes on when the UTC day ends.");
  await team.close();
});

test("five runs at once never pass the budget of the day", async () => {
  let open5 = 0;
  let openMax = 0;
  const { team, model } = await open(writer({ perTask: 0.35, perDay: 0.35 }, { concurrency: 5 }), async () => {
    openMax = Math.max(openMax, ++open5);
    await Promise.resolve();
    open5--;
    return costing(100);
  });

  const ids = await Promise.all([1, 2, 3, 4, 5].map((n) => team.submit("writer", { n })));
  await team.settle();

  expect(openMax).toBeGreaterThan(1);
  expect(model.calls).toHaveLength(3);
  const statuses = (await Promise.all(ids.map((id) => team.task(id)))).map(({ status }) => status).toSorted();
  expect(statuses).toEqual(["done", "done", "done", "waiting", "waiting"]);
  const spent = (await team.records({ eventTypes: ["model_call"] })).reduce((sum, { cost_micro_usd }) => sum + (cost_micro_usd ?? 0), 0);
  expect(spent).toBe(300_000);
  await team.close();
});

test("a model without a known price obeys the turn limit", async () => {
  const model = scriptedModel(() => ({ toolCalls: [{ toolName: "nothing", input: {} }] }));
  const team = await testTeam(defineTeam({ name: "t", agents: [writer({}, { turnsMax: 4 })] }), { models: model });

  const end = await team.result(await team.submit("writer", { n: 1 }));

  expect(end).toMatchObject({ status: "dead", reason: "turn-limit" });
  expect(model.calls).toHaveLength(4);
  await team.close();
});

const answerBrokeOff = (): Error => new LonghaulError("MODEL_TIMEOUT", "no chunk for 30 s", { retry: "backoff" });
const refused = (): Error => new LonghaulError("MODEL_OVERLOADED", "overloaded", { retry: "backoff", details: { status: 529 } });

test.each([
  ["an answer that broke off counts in full, since nobody knows whether it was billed", answerBrokeOff, 2, "waiting"],
  ["a call that the provider refused costs nothing", refused, 3, "done"],
] as const)("%s", async (_, fail, calls, status) => {
  const { team, model } = await open(writer({ perTask: 0.25, perDay: 5 }), (_request, number) => (number < 3 ? fail() : costing(10)));

  const taskId = await team.submit("writer", { n: 1 });
  await team.advance("10s");

  expect(model.calls).toHaveLength(calls);
  expect(await team.task(taskId)).toMatchObject({ status });
  await team.close();
});
