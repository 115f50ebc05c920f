import { defineAgent, defineTeam, usd } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { describe, expect, it, test } from "vitest";
import { freePrice } from "../../src/model/model-price.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";
import { computeUsualSpend, judgeSpend, spendDefaults } from "../../src/policy/spend-watch.ts";

/* Threads that this answers: eltmon/overdeck#1615 ($49 spent, and still taken for healthy). */

const dime = 100_000;
/** Each call costs ten cents. */
const price = { ...freePrice, upperBoundMicroUsd: () => dime, costMicroUsd: () => dime };

/** An agent that answers at once, and one task that never gets an answer accepted: its tool results differ each time, so that no loop is seen. */
async function open(history: number, callsPerTask: number, calls: number) {
  const limits = { turnsMax: 200, concurrency: 1 } as const;
  const worker = defineAgent({
    name: "worker", limits, budget: { perTask: usd(100), perDay: usd(10_000) },
    run: async (ctx, input) => {
      for (let call = 0; call < Number(input); call++) await ctx.model("anthropic/test").doGenerate({ prompt: [{ role: "user", content: [{ type: "text", text: `Part ${call}.` }] }] });
      return "done";
    },
  });
  const team = await testTeam(defineTeam({ name: "t", agents: [worker] }), { models: scriptedModel("part", { price }) });
  for (let task = 0; task < history; task++) await team.submit(worker, callsPerTask);
  await team.settle();
  await team.advance(600_000);
  const taskId = await team.submit(worker, calls);
  const end = await team.result(taskId);
  const told = (await team.records({ eventTypes: ["decision"], taskId })).map(({ result }) => result);
  await team.close();
  return { end, told };
}

test("a task that spends four times what 99 of 100 of its agent's tasks take is recorded first, then ends", async () => {
  const { end, told } = await open(spendDefaults.samplesMin, 2, 150);

  expect(end).toMatchObject({ status: "dead", reason: "looping", failure: { message: expect.stringMatching(/worker has spent \$0\.9000 on this task .* at most \$0\.2000/) as string }, evidence: { what: "end", percentile99: 2 * dime } });
  expect(told).toEqual(["spending"]);
});

test("a task that takes three times as much is recorded, and comes to its end", async () => {
  const { end, told } = await open(spendDefaults.samplesMin, 2, 6);

  expect(end).toMatchObject({ status: "done" });
  expect(told).toEqual(["spending"]);
});

test("an agent of which less is known is left alone", async () => {
  const { end, told } = await open(spendDefaults.samplesMin - 1, 2, 150);

  expect(end).toMatchObject({ status: "done" });
  expect(told).toEqual([]);
});

test("an agent that mostly finds nothing to do is not held to that when there is something", async () => {
  const { end, told } = await open(2 * spendDefaults.samplesMax, 0, 5);

  expect(end).toMatchObject({ status: "done" });
  expect(told).toEqual([]);
});

test("a task that a person restarts after it was ended is recorded once more, and comes to its end", async () => {
  const folder = temporaryDirectory();
  const worker = defineAgent({
    name: "worker", limits: { turnsMax: 200 }, budget: { perTask: usd(100), perDay: usd(10_000) },
    run: async (ctx, input) => { for (let call = 0; call < Number(input); call++) await ctx.model("anthropic/test").doGenerate({ prompt: [{ role: "user", content: [{ type: "text", text: `Part ${call}.` }] }] }); },
  });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [worker] }), { directory: folder.path, model: scriptedModel("part", { price }) });
  for (let task = 0; task < spendDefaults.samplesMin; task++) await team.submit("worker", 2);
  await team.advance(600_000);
  const taskId = await team.submit("worker", 20);
  expect(await team.result(taskId)).toMatchObject({ status: "dead", reason: "looping", failure: { message: expect.stringMatching(/restart it: then it ends by its budget alone/) as string } });
  await team.advance(1_000);

  await team.live.operations.restart(taskId);

  expect(await team.result(taskId)).toMatchObject({ status: "done" });
  expect((await team.records({ eventTypes: ["decision"], taskId })).map(({ result }) => result)).toEqual(["spending", "spending"]);
  await team.close();
  folder.remove();
});

describe("what is usual", () => {
  const samples = (count: number, microUsd: number, tokens: number) => Array.from({ length: count }, () => ({ microUsd, tokens }));

  it("is the 99th percentile: one task of a hundred that took much says nothing for the others, two do", () => {
    expect(computeUsualSpend([...samples(99, 5, 10), ...samples(1, 500, 1_000)])).toEqual({ microUsd: 5, tokens: 10 });
    expect(computeUsualSpend([...samples(98, 5, 10), ...samples(2, 500, 1_000)])).toEqual({ microUsd: 500, tokens: 1_000 });
    expect(computeUsualSpend(samples(99, 5, 10))).toBeNull();
    expect(computeUsualSpend([...samples(99, 5, 10), ...samples(101, 0, 0)]), "of 99 that asked a model").toBeNull();
  });

  it("never ends what has spent less than the floor, whatever the history", () => {
    expect(judgeSpend({ microUsd: spendDefaults.floorMicroUsd, tokens: 1e9 }, { microUsd: 1, tokens: 1 })?.what).toBe("warn");
    expect(judgeSpend({ microUsd: spendDefaults.floorMicroUsd + 1, tokens: 0 }, { microUsd: 1, tokens: 1 })?.what).toBe("end");
    expect(judgeSpend({ microUsd: spendDefaults.floorMicroUsd / 2, tokens: 1e9 }, { microUsd: 1, tokens: 1 })).toBeNull();
  });

  it("is not left by a task that only pays another price: of a model that had none, or of a dearer one", () => {
    const unpriced = { microUsd: 0, tokens: 50_000 };
    expect(judgeSpend({ microUsd: 5_000_000, tokens: 60_000 }, unpriced)).toBeNull();
    expect(judgeSpend({ microUsd: 5_000_000, tokens: 150_000 }, unpriced)).toMatchObject({ what: "warn" });
    expect(judgeSpend({ microUsd: 5_000_000, tokens: 250_000 }, unpriced)).toMatchObject({ what: "end" });
    expect(judgeSpend({ microUsd: 2_000_000, tokens: 60_000 }, { microUsd: 100_000, tokens: 50_000 })).toBeNull();
    expect(judgeSpend({ microUsd: 2_000_000, tokens: 0 }, { microUsd: 100_000, tokens: 50_000 }), "billed, perhaps, and never answered").toMatchObject({ what: "end" });
  });

  it("counts tokens where models have no price, and money where they have", () => {
    const usual = { microUsd: 0, tokens: 100_000 };

    expect(judgeSpend({ microUsd: 0, tokens: 200_000 }, usual)).toBeNull();
    expect(judgeSpend({ microUsd: 0, tokens: 200_001 }, usual)).toMatchObject({ what: "warn", unit: "tokens" });
    expect(judgeSpend({ microUsd: 0, tokens: 400_001 }, usual)).toMatchObject({ what: "end", unit: "tokens", limit: 400_000 });
  });
});
