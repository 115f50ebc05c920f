import { defineAgent, defineTeam } from "longhaul";
import { testTeam } from "longhaul/testing";
import { expect, test } from "vitest";

/** `ctx` for code that no compiler has seen. */
type UntypedContext = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

const other = defineAgent({ name: "other", run: async () => null });
const tool = { description: "", inputSchema: {}, execute: () => null };

async function run(code: (ctx: UntypedContext) => unknown) {
  const team = await testTeam(defineTeam({ name: "t", agents: [other, defineAgent({ name: "main", run: async (ctx) => (await code(ctx as unknown as UntypedContext)) ?? null })] }));
  const taskId = await team.submit("main", null);
  const end = await team.result(taskId, "20d");
  return { team, end, steps: await team.steps((await team.task(taskId)).runId ?? "") };
}

const half = "ab 😀 news".slice(0, 4);

test.each<readonly [string, (ctx: UntypedContext) => unknown, string]>([
  ["a step with half a character", (ctx) => ctx["step"]?.(half, () => 1), 'ctx.step: name is "ab \\ud83d". It holds half a character'],
  ["a step of a number", (ctx) => ctx["step"]?.(1, () => 1), "ctx.step: name is 1. Use a text"],
  ["a step of null", (ctx) => ctx["step"]?.(null, () => 1), "ctx.step: name is null. Use a text"],
  ["a step without a name", (ctx) => ctx["step"]?.("", () => 1), 'ctx.step: name is "". Use a text that is not empty'],
  ["a step with a long name", (ctx) => ctx["step"]?.("x".repeat(513), () => 1), "It has 513 characters; use at most 512."],
  ["a step without a body", (ctx) => ctx["step"]?.("b"), "ctx.step: body is missing. Use a function."],
  ["an unknown option of a step", (ctx) => ctx["step"]?.("a", () => 1, { retries: 9 }), 'ctx.step("a"): retries is 9. There is no such option; the options are timeout, attempts.'],
  ["a misspelt option of a step", (ctx) => ctx["step"]?.("a", () => 1, { timeOut: "1s" }), 'ctx.step("a"): timeOut is "1s". There is no such option; did you mean timeout?'],
  ["options that are none", (ctx) => ctx["step"]?.("a", () => 1, null), 'ctx.step("a"): options is null. Use an object; the options are timeout, attempts.'],
  ["a step with no attempts", (ctx) => ctx["step"]?.("a", () => 1, { attempts: 0 }), 'ctx.step("a"): attempts is 0. Use a whole number from 1 to 100.'],
  ["a compensation without a body", (ctx) => ctx["compensate"]?.("b"), "ctx.compensate: body is missing. Use a function."],
  ["an unknown option of a compensation", (ctx) => ctx["compensate"]?.("a", () => 1, { retries: 9 }), 'ctx.compensate("a"): retries is 9. There is no such option; the options are timeout, attempts.'],
  ["a sleep of a bigint", (ctx) => ctx["sleep"]?.(1n), "ctx.sleep is 1, which is not a duration"],
  ["a wait with half a character", (ctx) => ctx["waitFor"]?.(half), "ctx.waitFor: signal is"],
  ["a wait for an object", (ctx) => ctx["waitFor"]?.({}), "ctx.waitFor: signal is {}. Use a text"],
  ["a wait for nothing", (ctx) => ctx["waitFor"]?.(""), 'ctx.waitFor: signal is "". Use a text'],
  ["a wait for a signal of Longhaul's own", (ctx) => ctx["waitFor"]?.("longhaul:budget"), 'does not begin with "longhaul:"'],
  ["an unknown option of a wait", (ctx) => ctx["waitFor"]?.("x", { timeOut: "9s" }), 'ctx.waitFor("x"): timeOut is "9s".'],
  ["a call of null", (ctx) => ctx["call"]?.(null, {}), "ctx.call: agent is null. Use an agent or a flow"],
  ["a call of a name", (ctx) => ctx["call"]?.("other", {}), 'ctx.call: agent is "other". Use an agent or a flow'],
  ["an unknown option of a call", (ctx) => ctx["call"]?.(other, {}, { key: "k" }), 'ctx.call(other): key is "(a string)". There is no such option; the options are priority, accepts.'],
  ["a priority that is none", (ctx) => ctx["call"]?.(other, {}, { priority: 0.5 }), "ctx.call(other): priority is 0.5. Use a whole number from -1000000 to 1000000."],
  ["a key that is a number", (ctx) => ctx["send"]?.(other, {}, { key: 1 }), "ctx.send(other): key is 1. Use a text"],
  ["a key with half a character", (ctx) => ctx["send"]?.(other, {}, { key: half }), "ctx.send(other): key is"],
  ["an unknown option of a send", (ctx) => ctx["send"]?.(other, {}, { dealy: "1s" }), "ctx.send(other): dealy is"],
  ["an event that no trigger can hear", (ctx) => ctx["publish"]?.("has space 🙂", {}), 'ctx.publish: event is "has space 🙂". Use a name such as "lead.found"'],
  ["no event", (ctx) => ctx["publish"]?.(undefined, {}), "ctx.publish: event is missing."],
  ["an event with a list for data", (ctx) => ctx["publish"]?.("a", [1]), "ctx.publish: data is [1]. Use an object"],
  ["a transaction with half a character", (ctx) => ctx["transaction"]?.(half, async () => 1), "ctx.transaction: name is"],
  ["a transaction without a body", (ctx) => ctx["transaction"]?.("a"), "ctx.transaction: body is missing."],
  ["a note of an object", (ctx) => ctx["note"]?.({ a: 1 }), 'ctx.note: text is {"a":1}. Use a text'],
  ["a long note", (ctx) => ctx["note"]?.("n".repeat(10_001)), "Use a text of at most 10000 characters; this one has 10001."],
  ["data of a note that are text", (ctx) => ctx["note"]?.("a", "b"), 'ctx.note: data is "b".'],
  ["an effect that is none", (ctx) => ctx["tools"]?.({ a: tool }, { effects: { a: "reed" } }), 'ctx.tools: effects.a is "reed". Say what a call does'],
  ["an effect of no tool", (ctx) => ctx["tools"]?.({ a: tool }, { effects: { b: "read" } }), 'ctx.tools: effects.b is "read". There is no such tool; there are: a.'],
  ["an unknown option of tools", (ctx) => ctx["tools"]?.({ a: tool }, { effect: "read" }), "ctx.tools: effect is"],
])("ctx refuses %s, before anything happens", async (_, code, message) => {
  const { team, end, steps } = await run(code);

  expect(end).toMatchObject({ status: "dead", failure: { code: "OPTION_INVALID", message: expect.stringContaining(message) as string } });
  expect(steps).toEqual([]);
  await team.close();
});

test("ctx refuses a note with much data", async () => {
  const { team, end } = await run((ctx) => ctx["note"]?.("a", { long: "n".repeat(70_000) }));

  expect(end).toMatchObject({ status: "dead", failure: { code: "PAYLOAD_TOO_LARGE", message: expect.stringContaining("at most 65536") as string } });
  await team.close();
});
