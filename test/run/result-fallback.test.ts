import { cached, defineAgent, defineTeam, isLonghaulError, type RunContext } from "longhaul";
import { scriptedModel, type ScriptedAnswer, testTeam } from "longhaul/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { LonghaulError } from "../../src/base/error.ts";
import { stopReasonOfEnd } from "../../src/record/stop-reason.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

const input = z.object({ city: z.string(), day: z.number() });
const output = z.object({ forecast: z.string() });
const broken = new LonghaulError("MODEL_INVALID", "no such model", { retry: "never" });

/** An agent with a model whose answer a test may change. */
function weather(fallback: Parameters<typeof defineAgent>[0]["fallback"], answer: { now: ScriptedAnswer }) {
  const agent = defineAgent({
    name: "weather", model: "anthropic/test", instructions: "Forecast.", input, output, fallback: fallback as never,
    verify: ({ output: { forecast }, accept, reject }) => (forecast === "wrong" ? reject("wrong") : accept({ checked: forecast })),
  });
  return { agent, models: scriptedModel(() => answer.now) };
}

const sun = { object: { forecast: "sun" } };

describe("an earlier output", () => {
  test("stands in for the same input, verified, and young enough", async () => {
    const answer: { now: ScriptedAnswer } = { now: sun };
    const { agent, models } = weather([cached({ within: "24h" })], answer);
    const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models });
    const first = await team.submit(agent, { city: "Berlin", day: 1 });
    await team.result(first);
    await team.advance("3h");
    answer.now = broken;

    const end = await team.result(await team.submit(agent, JSON.parse('{"day":1,"city":"Berlin"}') as { city: string; day: number }));
    expect(end).toMatchObject({
      status: "done", outcome: "degraded", output: { forecast: "sun" }, reason: "its output of 3 h ago stood in for dead(failed): no such model",
      evidence: { of: { taskId: first, evidence: { checked: "sun" } }, failure: { reason: "failed", code: "MODEL_INVALID", message: "no such model" } },
    });
    expect(await team.result(await team.submit(agent, { city: "Berlin", day: 2 })), "of another input").toMatchObject({ status: "dead", reason: "failed" });
    await team.advance("22h");
    expect(await team.result(await team.submit(agent, { city: "Berlin", day: 1 })), "too old; what stood in is no verified output").toMatchObject({ status: "dead" });
    await team.close();
  });

  test("is told of: a record, and health without progress", async () => {
    const answer: { now: ScriptedAnswer } = { now: sun };
    const { agent, models } = weather([cached({ within: "24h" })], answer);
    const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models });
    await team.result(await team.submit(agent, { city: "Berlin", day: 1 }));
    await team.advance("1m");
    answer.now = broken;
    const taskId = await team.submit(agent, { city: "Berlin", day: 1 });
    await team.result(taskId);
    await team.advance("1m");

    expect((await team.records({ eventTypes: ["decision"], taskId })).map(({ result }) => result)).toEqual(["cached", "fallback"]);
    expect(await team.health()).toMatchObject([{ degraded: expect.stringContaining("stood in for dead(failed)") }]);
    await team.advance("25h");
    expect(await team.health(), "a stand-in is no progress").toMatchObject([{ health: { state: "hollow" } }]);
    await team.close();
  });
});

describe("another agent", () => {
  test("does the task with the same input, and code does it when that one dies too", async () => {
    const answer: { now: ScriptedAnswer } = { now: broken };
    let backupAnswers: unknown = { forecast: "rain" };
    const backup = defineAgent({ name: "backup", input, run: async (_ctx, { city }) => { if (backupAnswers === null) throw new Error("no"); return city === "Berlin" ? backupAnswers : null; } });
    const { agent, models } = weather([backup, ((given: { readonly city: string }, dead: { readonly reason: string }) => ({ forecast: `unknown for ${given.city} (${dead.reason})` })) as never], answer);
    const team = await testTeam(defineTeam({ name: "t", agents: [agent, backup] }), { models });
    const run = async () => await team.result(await team.submit(agent, { city: "Berlin", day: 1 }));

    expect(await run()).toMatchObject({ outcome: "degraded", output: { forecast: "rain" }, reason: "agent backup stood in for dead(failed): no such model", evidence: { of: { outcome: "unverified" } } });
    backupAnswers = { forecast: 7 };
    expect(await run(), "an output that does not fit").toMatchObject({ outcome: "degraded", output: { forecast: "unknown for Berlin (failed)" } });
    backupAnswers = null;
    expect(await run(), "one that dies").toMatchObject({ outcome: "degraded", output: { forecast: "unknown for Berlin (failed)" }, reason: expect.stringMatching(/^its own code stood in/) });
    await team.close();
  });

  test("keeps the evidence of a rejection", async () => {
    const { agent, models } = weather([(() => ({ forecast: "no forecast" }))], { now: { object: { forecast: "wrong" } } });
    const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models });

    expect(await team.result(await team.submit(agent, { city: "Berlin", day: 1 }))).toMatchObject({ outcome: "degraded", output: { forecast: "no forecast" }, evidence: { failure: { reason: "rejected" } } });
    await team.close();
  });
});

describe("nothing stands in", () => {
  const substitute = [() => "substitute"];
  test.each([
    ["a deadline", { limits: { deadline: "1s" as const }, run: async (ctx: RunContext) => ctx.sleep("1h") }, "deadline"],
    ["a limit of children", { limits: { fanOutMax: 1 }, run: async (ctx: RunContext) => { await ctx.send({ kind: "agent", name: "leaf" }, null); await ctx.send({ kind: "agent", name: "leaf" }, null); } }, "fan-out-cap"],
    ["an await of something else", { run: async () => { await new Promise(() => undefined); } }, "foreign-await"],
  ] as const)("for %s", async (_, spec, stopReason) => {
    const leaf = defineAgent({ name: "leaf", run: async () => null });
    const agent = defineAgent({ name: "worker", fallback: substitute, ...spec });
    const team = await testTeam(defineTeam({ name: "t", agents: [agent, leaf] }));

    expect(stopReasonOfEnd(await team.result(await team.submit(agent, undefined)))).toBe(stopReason);
    await team.close();
  });

  test("for a cancellation or a wrong input", async () => {
    const leaf = defineAgent({ name: "leaf", input, fallback: substitute, run: async (ctx) => { await ctx.sleep("1h"); throw new Error("late"); } });
    const caller = defineAgent({ name: "caller", run: async (ctx) => { await ctx.send({ kind: "agent", name: "leaf" }, "wrong"); } });
    const team = await testTeam(defineTeam({ name: "t", agents: [leaf, caller] }));
    const taskId = await team.submit(leaf, { city: "x", day: 1 });
    await team.settle();
    await team.cancel(taskId);
    await team.submit(caller, undefined);
    await team.advance("2h");

    expect(new Set((await team.tasks({ agent: "leaf" })).map(({ end }) => end && stopReasonOfEnd(end)))).toEqual(new Set(["canceled", "invalid-input"]));
    await team.close();
  });
});

describe("what stands in is durable", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  test("a crash in the middle of it changes nothing", async () => {
    let computed = 0;
    const hanging = defineAgent({ name: "hanging", run: async (ctx) => { await ctx.sleep("1h"); return 1; } });
    const agent = defineAgent({ name: "worker", run: async () => { throw new Error("no"); }, fallback: [(() => { computed++; throw new LonghaulError("TOOL_FAILED", "nothing", { retry: "never" }); }) as never, hanging, () => 2] });
    const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent, hanging] }), { directory: directory.path });
    const taskId = await team.submit("worker", null);
    await team.settle();
    expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "child" });

    const after = await team.afterCrash();
    expect(await after.result(taskId)).toMatchObject({ outcome: "degraded", output: 1, reason: "agent hanging stood in for dead(failed): no" });
    expect(computed).toBe(1);
    await after.close();
    await team.close();
  });
});

describe("a fallback is refused at load", () => {
  test.each([
    ["that is empty", [], /from 1 to 5/],
    ["that has no age", [cached({} as never)], /fallback\[0\]\.within/],
    ["that is something else", ["other"], /Use cached/],
    ["that is the agent itself", [{ kind: "agent", name: "worker" }], /cannot stand in for itself/],
    ["that is not in the team", [{ kind: "agent", name: "nobody" }], /not in the team/],
  ])("%s", async (_, fallback, message) => {
    const opening = testTeam(defineTeam({ name: "t", agents: [defineAgent({ name: "worker", run: async () => null, fallback: fallback as never })] }));

    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toSatisfy(isLonghaulError);
  });
});
