import { defineAgent, defineTeam, usd } from "longhaul";
import { scriptedModel, type Script } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LonghaulError } from "../../src/base/error.ts";
import { fixedPrice } from "../../src/model/model-price.ts";
import { noUsage } from "../../src/record/usage.ts";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/** $0.001 for each output token; a call of this agent can cost $0.10. */
const price = fixedPrice({ input: 0, output: 1000 });
const model = (script: Script) => scriptedModel(script, { price });
const answer = { message: { role: "assistant", parts: [{ type: "text", text: "done" }] }, usage: { ...noUsage, outputTokens: 40 } } as const;
const teamWith = (perTask: number) =>
  defineTeam({ name: "t", agents: [defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", limits: { outputTokensMax: 100 }, budget: { perTask: usd(perTask) } })] });

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

async function spentIn(path: string, taskId: string) {
  const view = openOperatorView(path);
  try {
    return await view.store.money.spent({ taskId });
  } finally {
    await view.close();
  }
}

test("a call that a crash interrupted counts in full beside the one that was made again", async () => {
  const path = `${directory.path}/team`;
  const before = await openDiskTeam(teamWith(1), { directory: path, model: model({ hang: true }) });
  const taskId = await before.submit("writer", null);
  await before.settle();
  expect(await spentIn(path, taskId)).toMatchObject({ spentMicroUsd: 0, reservedMicroUsd: 100_000 });

  const after = await before.afterCrash({ model: model(answer) });
  const end = await after.result(taskId);

  expect(end).toMatchObject({ status: "done", output: "done" });
  expect(await spentIn(`${path}-after-${before.clock.now()}`, taskId)).toMatchObject({ spentMicroUsd: 140_000, reservedMicroUsd: 0, tokens: 40 });
  await after.close();
  await before.close();
});

test("a call that a drain interrupted counts in full too, whatever the next start's estimate is", async () => {
  const before = await openDiskTeam(teamWith(1), { directory: directory.path, model: model({ hang: true }) });
  const taskId = await before.submit("writer", null);
  await before.settle();
  await before.close();

  const dearer = scriptedModel(answer, { price: fixedPrice({ input: 0, output: 2000 }) });
  const after = await openDiskTeam(teamWith(1), { directory: directory.path, model: dearer, startAtMs: before.clock.now() + 1 });
  const end = await after.result(taskId);

  expect(end).toMatchObject({ status: "done" });
  expect(await spentIn(directory.path, taskId)).toMatchObject({ spentMicroUsd: 180_000, reservedMicroUsd: 0 });
  await after.close();
});

test("what nobody can know the bill of is spent, not reserved for ever, when the step gives up", async () => {
  const brokenOff = model(() => new LonghaulError("MODEL_TIMEOUT", "no chunk for 30 s", { retry: "backoff" }));
  const team = await openDiskTeam(teamWith(1), { directory: directory.path, model: brokenOff });
  const taskId = await team.submit("writer", null);
  await team.advance(10_000);

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "retry" });
  expect(await spentIn(directory.path, taskId)).toMatchObject({ spentMicroUsd: 300_000, reservedMicroUsd: 0 });
  await team.close();
});

test("a task that waits for its budget goes on when the team is started with a larger one", async () => {
  const before = await openDiskTeam(teamWith(0.05), { directory: directory.path, model: model(answer) });
  const taskId = await before.submit("writer", null);
  await before.settle();
  expect(await before.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "budget" });
  await before.close();

  const after = await openDiskTeam(teamWith(0.5), { directory: directory.path, model: model(answer), startAtMs: before.clock.now() + 1 });
  const end = await after.result(taskId);

  expect(end).toMatchObject({ status: "done" });
  await after.close();
});
