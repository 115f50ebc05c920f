import { defineAgent, defineTeam, type RunContext } from "longhaul";
import { scriptedModel, testTeam, type TestTeam } from "longhaul/testing";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";

let opened: TestTeam | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});

type Execute = (input: { readonly amount: number }) => number;
const inputSchema = z.object({ amount: z.number() });

/** With a `needsApproval` of its own, which the AI SDK still takes. */
function payTool(execute: Execute, needsApproval: boolean | ((input: { readonly amount: number }, options: { readonly toolCallId: string; readonly messages: readonly unknown[] }) => boolean | Promise<boolean>)) {
  return { ...tool({ inputSchema, execute }), ...({ needsApproval } as object) };
}

/** An agent that pays 10, then 20, in one way or another. */
async function payTwice(code: (ctx: RunContext, execute: Execute) => Promise<string>) {
  const paid: number[] = [];
  const model = scriptedModel(({ messages }) => {
    const results = messages.filter(({ role }) => role === "tool");
    if (results.length < 2) return { toolCalls: [{ toolName: "pay", input: { amount: 10 * (results.length + 1) }, callId: `c${results.length + 1}` }] };
    return JSON.stringify(results.at(-1));
  });
  const agent = defineAgent({ name: "clerk", output: z.string(), run: (ctx) => code(ctx, ({ amount }) => paid.push(amount)) });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });
  opened = team;
  const taskId = await team.submit(agent, null);
  await team.settle();
  return { team, taskId, paid, runId: String((await team.task(taskId)).runId) };
}

const common = (ctx: RunContext) => ({ model: ctx.model("anthropic/test"), stopWhen: stepCountIs(5), prompt: "Pay." });

test.each([
  ["true", async (ctx: RunContext, execute: Execute) => (await generateText({ ...common(ctx), tools: ctx.tools({ pay: payTool(execute, true) }) })).text],
  ["a function that says yes", async (ctx: RunContext, execute: Execute) => await streamText({ ...common(ctx), tools: ctx.tools({ pay: payTool(execute, async () => true) }) }).text],
  ["an option of ctx.tools", async (ctx: RunContext, execute: Execute) => (await generateText({ ...common(ctx), tools: ctx.tools({ pay: payTool(execute, false) }, { needsApproval: { pay: true } }) })).text],
])("an AI SDK tool whose needsApproval is %s waits for a person, in the middle of the AI SDK's loop", async (_, code) => {
  const { team, taskId, runId, paid } = await payTwice(code);

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "human" });
  expect(paid).toEqual([]);
  await team.approve(runId, "allow");
  await team.settle();
  expect(paid).toEqual([10]);
  await team.approve(runId, "deny", { reason: "enough" });

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: expect.stringContaining("A person did not allow this call of pay: enough") as string });
  expect(paid).toEqual([10]);
});

test("a function of an AI SDK tool is asked with what the AI SDK tells it, and only what it names waits", async () => {
  const asked: unknown[] = [];
  const { team, taskId, runId, paid } = await payTwice(async (ctx, execute) => {
    const needsApproval = ({ amount }: { readonly amount: number }, { toolCallId, messages }: { readonly toolCallId: string; readonly messages: readonly unknown[] }): boolean => {
      asked.push([amount, toolCallId, messages.length > 0]);
      return amount > 10;
    };
    return (await generateText({ ...common(ctx), tools: ctx.tools({ pay: payTool(execute, needsApproval) }) })).text;
  });

  expect(paid).toEqual([10]);
  expect(await team.task(taskId)).toMatchObject({ waitingReason: "human" });
  expect(asked).toEqual([[10, "c1", true], [20, "c2", true]]);
  await team.approve(runId, "allow", { call: "c2" });
  expect(await team.result(taskId)).toMatchObject({ status: "done" });
  expect(paid).toEqual([10, 20]);
});

test("approvalWithin of ctx.tools ends the wait, and options that fit nothing are refused by name", async () => {
  const { team, taskId, paid } = await payTwice(async (ctx, execute) => {
    const pay = tool({ inputSchema, execute });
    expect(() => ctx.tools({ pay }, { needsApproval: { pya: true } as object })).toThrow("There is no such tool; there are: pay.");
    expect(() => ctx.tools({ pay }, { needsApproval: { pay: "yes" as never } })).toThrow("needsApproval.pay");
    expect(() => ctx.tools({ pay }, { approvalWithin: 1 })).toThrow("approvalWithin");
    expect(() => ctx.tools({ pay: { ...pay, needsApproval: "yes" as never } })).toThrow("tools.pay.needsApproval");
    return (await generateText({ ...common(ctx), tools: ctx.tools({ pay }, { needsApproval: { pay: ({ amount }: { readonly amount: number }) => amount === 20 }, approvalWithin: "30m" }) })).text;
  });
  expect(paid).toEqual([10]);

  await team.advance("31m");

  expect(await team.result(taskId, "1s")).toMatchObject({ output: expect.stringContaining("nobody gave it within 30 min") as string });
  expect(paid).toEqual([10]);
});
