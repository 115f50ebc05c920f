import { type AgentDefinition, defineAgent, defineFlow, defineTeam, on, type RunContext } from "longhaul";
import { testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { isLonghaulError, LonghaulError, messageOf } from "../../src/base/error.ts";

/** A team with one agent that runs this code, and others for it to call. */
async function open(run: (ctx: RunContext) => Promise<unknown>, agents: readonly AgentDefinition[] = [], changes: object = {}) {
  const main = defineAgent({ name: "main", run, ...changes });
  const team = await testTeam(defineTeam({ name: "t", agents: [main, ...agents] }));
  return { team, submit: () => team.submit("main", null), run: async () => team.result(await team.submit("main", null), "20d") };
}

const double = defineAgent({ name: "double", input: z.object({ n: z.number() }), output: z.object({ twice: z.number() }), run: async (_, { n }) => ({ twice: 2 * n }) });

test("a step is tried three times, its key stays the same, and its retries and its failure leave records", async () => {
  const keys: string[] = [];
  const { team, run } = await open(async (ctx) => {
    const value = await ctx.step("fetch", ({ idempotencyKey }) => {
      keys.push(idempotencyKey);
      if (keys.length < 3) throw new Error(`busy ${keys.length}`);
      return "page";
    });
    const failure = await ctx.step("other", () => { throw new Error("gone"); }, { attempts: 2 }).catch(messageOf);
    const never = await ctx.step("never", () => { throw new LonghaulError("TOOL_FAILED", "no use"); }).catch((error: unknown) => (isLonghaulError(error) ? error.code : ""));
    return { value, failure, never };
  });

  expect(await run()).toMatchObject({ status: "done", output: { value: "page", failure: "gone", never: "TOOL_FAILED" } });
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
  expect((await team.records({ eventTypes: ["retry"] })).map(({ reason }) => reason)).toEqual(["busy 1", "busy 2", "gone"]);
  expect((await team.records({ eventTypes: ["error"] })).map(({ reason, data }) => [reason, data["code"]])).toEqual([['ctx.step("other"): gone', null], ['ctx.step("never"): no use', "TOOL_FAILED"]]);
  await team.close();
});

test("a step that hangs is ended at its timeout and tried again", async () => {
  let calls = 0;
  const { team, run } = await open(async (ctx) => {
    const from = ctx.now();
    const value = await ctx.step("hang", () => (++calls < 2 ? new Promise(() => {}) : "at last"), { timeout: "30s" });
    return { value, seconds: Math.floor((ctx.now() - from) / 1000) };
  });

  expect(await run()).toMatchObject({ status: "done", output: { value: "at last", seconds: 30 } });
  expect((await team.records({ eventTypes: ["retry"] }))[0]).toMatchObject({ reason: 'ctx.step("hang") took longer than its timeout of 30 s. Raise that, or make it smaller.', data: { code: "STEP_TIMEOUT" } });
  await team.close();
});

test("what a step returns must be plain data, and it is not run again to see whether it is", async () => {
  let calls = 0;
  const { team, run } = await open((ctx) => ctx.step("bad", () => { calls++; return { size: 3n }; }));

  expect(await run()).toMatchObject({ status: "dead", failure: { code: "JSON_INVALID", message: expect.stringContaining('ctx.step("bad")') } });
  expect(calls).toBe(1);
  await team.close();
});

test("waitFor ends by its signal, or by its timeout", async () => {
  const { team, submit } = await open(async (ctx) => ({ first: await ctx.waitFor("approval"), second: await ctx.waitFor("approval", { timeout: "2h" }), at: ctx.now() }));
  const taskId = await submit();
  await team.settle();
  const { runId, status, waitingReason } = await team.task(taskId);
  expect({ status, waitingReason }).toEqual({ status: "waiting", waitingReason: "signal" });

  await team.signal(runId ?? "", "approval", { by: "ann" });
  const from = team.now();

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: { first: { timedOut: false, payload: { by: "ann" } }, second: { timedOut: true }, at: from + 7_200_000 } });
  await team.close();
});

test("call gives the typed result and the id of the task that ran, also after a replay", async () => {
  const { team, run } = await open(async (ctx) => {
    const results = await Promise.all([1, 2, 3].map((n) => ctx.call(double, { n })));
    await ctx.sleep("1h");
    return results.map(({ taskId, output, outcome }) => ({ taskId, twice: output.twice, outcome }));
  }, [double]);

  const end = await run();

  const called = (await team.tasks({ agent: "double" })).map(({ id, end: childEnd }) => ({ taskId: id, twice: childEnd?.status === "done" ? (childEnd.output as { twice: number }).twice : null, outcome: "unverified" }));
  expect(end).toMatchObject({ status: "done", output: called.toSorted((a, b) => (a.twice ?? 0) - (b.twice ?? 0)) });
  expect(called).toHaveLength(3);
  await team.close();
});

test("a call of a task that dies throws TASK_DEAD with the reason and the cause", async () => {
  const dying = defineAgent({ name: "dying", run: async (ctx) => ctx.step("die", () => { throw new LonghaulError("TOOL_FAILED", "out of paper"); }) });
  const { team, run } = await open(async (ctx) => {
    try {
      return await ctx.call(dying, undefined);
    } catch (error) {
      const { code, message, details, cause } = error as LonghaulError;
      return { code, message, reason: details["reason"], taskId: details["taskId"], cause: (cause as LonghaulError).code };
    }
  }, [dying]);

  const end = await run();

  const [child] = await team.tasks({ agent: "dying" });
  expect(end).toMatchObject({ status: "done", output: { code: "TASK_DEAD", message: "dying died (failed): out of paper", reason: "failed", taskId: child?.id, cause: "TOOL_FAILED" } });
  await team.close();
});

test("sends with one key start one task, and a task that was sent leaves a record", async () => {
  const { team, run } = await open(async (ctx) => {
    const sent = [await ctx.send(double, { n: 1 }, { key: "k" }), await ctx.send(double, { n: 2 }, { key: "k" }), await ctx.send(double, { n: 3 }, { delay: "1d" })];
    await ctx.sleep("1m");
    return sent.length;
  }, [double]);

  await run();

  const sent = await team.tasks({ agent: "double" });
  expect(new Map(sent.map(({ input, status }) => [JSON.stringify(input), status]))).toEqual(new Map([['{"n":3}', "queued"], ['{"n":1}', "done"]]));
  expect(await team.records({ eventTypes: ["handoff"], result: "sent" })).toHaveLength(3);
  await team.close();
});

test("what is called or sent with a higher priority is done first, and a call has its caller's own otherwise", async () => {
  const order: number[] = [];
  const clerk = defineAgent({ name: "clerk", input: z.object({ n: z.number() }), run: async (ctx, { n }) => ctx.step("work", () => order.push(n)) });
  const { team, run } = await open(async (ctx) => {
    await Promise.all([ctx.call(clerk, { n: 1 }), ctx.send(clerk, { n: 2 }), ctx.send(clerk, { n: 3 }, { priority: 7 }), ctx.call(clerk, { n: 4 }, { priority: 9 })]);
    return null;
  }, [clerk]);

  await run();
  await team.settle();

  const priorities = (await team.tasks({ agent: "clerk" })).map(({ input, priority }) => [(input as { readonly n: number }).n, priority] as const);
  expect(priorities.toSorted(([a], [b]) => a - b)).toEqual([[1, 0], [2, 0], [3, 7], [4, 9]]);
  expect(order.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
  await team.close();
});

test("an event starts its subscribers' tasks in the commit that states it, and each subscription leaves a receipt that names its task", async () => {
  const subscriber = defineAgent({ name: "subscriber", input: z.object({ n: z.number() }), run: async (_, { n }) => n, triggers: [on("found", { input: (event) => ({ n: Number(event["n"]) }) })] });
  const picky = defineAgent({ name: "picky", input: z.object({ n: z.number() }), run: async (_, { n }) => n, triggers: [on("found", { schema: z.object({ n: z.string() }), input: ({ n }) => ({ n: Number(n) }) })] });
  const { team, run } = await open(async (ctx) => ctx.publish("found", { n: 7 }), [subscriber, picky]);

  expect(await run()).toMatchObject({ status: "done", output: { tasks: 1 } });
  const [started] = await team.tasks({ agent: "subscriber" });
  expect(started).toMatchObject({ status: "done", input: { n: 7 }, end: { output: 7 } });
  expect((await team.records({ eventTypes: ["trigger"] })).map(({ agent_id, result, task_id }) => [agent_id, result, task_id])).toEqual([["subscriber", "ran", started?.id], ["picky", "skipped(invalid-event)", null]]);
  await team.close();
});

test("a transaction keeps the user's rows with the step, and none of them when it throws", async () => {
  const { team, run } = await open(async (ctx) => {
    await ctx.transaction("create", async (tx) => { await tx.run("CREATE TABLE leads (name TEXT)"); });
    await ctx.transaction("insert", async (tx) => tx.run("INSERT INTO leads VALUES (?)", "acme"));
    const refused = await ctx.transaction("fail", async (tx) => { await tx.run("INSERT INTO leads VALUES ('lost')"); throw new Error("changed my mind"); }).catch(messageOf);
    return { refused, rows: await ctx.transaction("read", async (tx) => tx.all("SELECT name FROM leads")) };
  });

  expect(await run()).toMatchObject({ status: "done", output: { refused: "changed my mind", rows: [{ name: "acme" }] } });
  await team.close();
});

test("time and chance of durable code are the same at each replay", async () => {
  const seen: string[] = [];
  const { team, run } = await open(async (ctx) => {
    const moments: number[] = [];
    for (let round = 0; round < 3; round++) {
      moments.push(ctx.now(), ctx.random());
      await ctx.sleep("1h");
    }
    seen.push(JSON.stringify(moments));
    await ctx.note("thought about it", { rounds: 3 });
    return moments;
  });

  const end = await run();

  expect(end).toMatchObject({ status: "done", output: JSON.parse(seen[0] ?? "") });
  expect(await team.records({ eventTypes: ["decision"] })).toMatchObject([{ reason: "thought about it", data: { rounds: 3 }, agent_id: "main" }]);
  await team.close();
});

test("a flow calls agents, and its output is checked against its schema", async () => {
  const flow = defineFlow({ name: "flow", output: z.object({ sum: z.number() }), run: async (ctx) => ({ sum: String((await ctx.call(double, { n: 2 })).output.twice) }) as never });
  const team = await testTeam(defineTeam({ name: "t", agents: [double], flows: [flow] }));

  expect(await team.result(await team.submit(flow, undefined))).toMatchObject({ status: "dead", reason: "invalid-output", failure: { code: "TASK_OUTPUT_INVALID", message: expect.stringContaining("sum") } });
  await team.close();
});

test("an input that does not fit is refused at the door, and ends the task that another task sends it to", async () => {
  const careless = defineFlow({ name: "careless", run: async (ctx) => (await ctx.send(double, { n: "two" } as never)).taskId });
  const team = await testTeam(defineTeam({ name: "t", agents: [double], flows: [careless] }));

  await expect(team.submit("double", { n: "two" })).rejects.toMatchObject({ code: "TASK_INPUT_INVALID", message: expect.stringContaining("The input of double does not fit its schema: n:") });
  const sent = await team.result(await team.submit(careless, undefined));

  expect(await team.result(sent.status === "done" ? String(sent.output) : "")).toMatchObject({ status: "dead", reason: "invalid-input", failure: { message: expect.stringContaining("The input of double does not fit its schema: n:") } });
  expect(await team.tasks({ agent: "double" })).toHaveLength(1);
  await team.close();
});
