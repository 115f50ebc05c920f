import { defineAgent, defineTeam } from "longhaul";
import { scriptedModel, type Script, testTeam, type TestTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { LonghaulError, type LonghaulErrorOptions } from "../../src/base/error.ts";

const agent = defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", limits: { deadline: "30d" } });

async function open(script: Script) {
  const model = scriptedModel(script);
  return { model, team: await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model }) };
}

function failing(code: "MODEL_TRANSIENT" | "MODEL_THROTTLED" | "MODEL_AUTH" | "MODEL_BILLING", retry: LonghaulErrorOptions["retry"]): LonghaulError {
  return new LonghaulError(code, `${code} of the test`, retry === undefined ? {} : { retry });
}

/** For how long each park of the task was, in minutes. */
async function parks(team: TestTeam, taskId: string): Promise<readonly number[]> {
  const { runId } = await team.task(taskId);
  const steps = await team.steps(runId ?? "");
  return steps.filter(({ kind }) => kind === "wait").map(({ startedAtMs, completedAtMs }) => (completedAtMs - startedAtMs) / 60_000);
}

test("a call that fails twice for a moment succeeds in the third attempt, and each retry leaves a record", async () => {
  const { team, model } = await open([failing("MODEL_TRANSIENT", "backoff"), failing("MODEL_TRANSIENT", "backoff"), "done"]);

  const end = await team.result(await team.submit(agent, undefined));

  expect(end).toMatchObject({ status: "done", output: "done" });
  expect(model.calls).toHaveLength(3);
  expect(new Set(model.calls.map(({ idempotencyKey }) => idempotencyKey)).size, "one key at every attempt").toBe(1);
  expect(await team.records({ eventTypes: ["retry"] })).toMatchObject([
    { result: "retry", reason: "MODEL_TRANSIENT of the test", data: { attempt: 1, code: "MODEL_TRANSIENT" } },
    { result: "retry", reason: "MODEL_TRANSIENT of the test", data: { attempt: 2 } },
  ]);
  await team.close();
});

test("a rate limit of two minutes parks the run durably, to the second, and burns no attempt", async () => {
  const throttled = failing("MODEL_THROTTLED", { afterMs: 120_000 });
  const { team, model } = await open((_, number) => (number <= 12 ? throttled : number <= 15 ? failing("MODEL_TRANSIENT", "backoff") : "done"));
  const taskId = await team.submit(agent, undefined);
  await team.settle();
  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "rate-limit" });
  expect(model.calls).toHaveLength(1);

  await team.advance(119_999);
  expect(model.calls).toHaveLength(1);
  await team.advance(1);
  expect(model.calls).toHaveLength(2);

  expect(await team.result(taskId)).toMatchObject({ status: "done" });
  expect(await parks(team, taskId), "twelve of two minutes, and the outage after them is the first").toEqual([...Array.from({ length: 12 }, () => 2), 1]);
  expect(model.calls).toHaveLength(16);
  await team.close();
});

test("a short rate limit that does not end is not asked for over and over", async () => {
  const { team, model } = await open(() => failing("MODEL_THROTTLED", { afterMs: 5_000 }));
  const taskId = await team.submit(agent, undefined);

  await team.advance("1h");

  expect(await parks(team, taskId)).toEqual([1, 5, 25]);
  expect(model.calls).toHaveLength(12);
  await team.close();
});

test("an outage is waited out for 1, 5, 25 and 60 minutes, then 4 hours each time", async () => {
  const { team } = await open((_, number) => (number <= 18 ? failing("MODEL_TRANSIENT", "backoff") : "done"));
  const taskId = await team.submit(agent, undefined);
  await team.settle();
  expect(await team.records({ eventTypes: ["model_call"] })).toEqual([]);
  await team.advance("1s");
  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "retry" });

  const end = await team.result(taskId, "3d");

  expect(end).toMatchObject({ status: "done" });
  expect(await parks(team, taskId)).toEqual([1, 5, 25, 60, 240, 240]);
  expect((await team.records({ eventTypes: ["model_call"] })).map(({ result }) => result)).toEqual([...Array.from({ length: 6 }, () => "error"), "success"]);
  await team.close();
});

test.each([
  ["MODEL_AUTH", "auth"],
  ["MODEL_BILLING", "billing"],
] as const)("%s ends the task at once, by name", async (code, reason) => {
  const { team, model } = await open(() => failing(code, "never"));

  const end = await team.result(await team.submit(agent, undefined));

  expect(end).toMatchObject({ status: "dead", reason, failure: { code } });
  expect(model.calls).toHaveLength(1);
  expect(await team.records({ eventTypes: ["model_call"] })).toMatchObject([{ result: "error", data: { code } }]);
  await team.close();
});
