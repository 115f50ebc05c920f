import { type AgentDefinition, defineAgent, defineTeam, defineTool } from "longhaul";
import { scriptedModel, type Script, type ScriptedAnswer, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";

const summary = z.object({ summary: z.string() });
const events: string[] = [];
const turns: (() => void)[] = [];

/** Ends when the test says so, so that the order of the ends can be turned round. */
const slow = defineTool({
  name: "slow", description: "Waits", inputSchema: z.object({ name: z.string() }), effect: "read",
  execute: async ({ name }) => {
    events.push(`begin ${name}`);
    await new Promise<void>((resolve) => turns.push(resolve));
    events.push(`end ${name}`);
    return name;
  },
});
const boom = defineTool({ name: "boom", description: "Fails", inputSchema: z.object({}), effect: "read", execute: () => { throw new Error("out of paper"); } });

async function open(script: Script, changes: object = {}) {
  const model = scriptedModel(script);
  const agent: AgentDefinition = defineAgent({ name: "writer", model: "anthropic/test", instructions: "Write.", tools: [slow, boom], ...changes });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }), { models: model });
  return { model, team, run: async () => team.result(await team.submit("writer", null)) };
}

const toolCall = (toolName: string, input: object, callId: string) => ({ toolName, input: input as never, callId });

test("an agent that never answers is dead at its turn limit", async () => {
  const { team, model, run } = await open(() => ({ toolCalls: [toolCall("boom", {}, "c")] }), { limits: { turnsMax: 3 } });

  expect(await run()).toMatchObject({ status: "dead", reason: "turn-limit", failure: { message: expect.stringContaining("made 3 model calls without an accepted answer") } });
  expect(model.calls).toHaveLength(3);
  await team.close();
});

const empty: ScriptedAnswer = { text: "  " };
const truncated: ScriptedAnswer = { text: "The answer is", finishReason: "length" };
const filtered: ScriptedAnswer = { text: "I must not say", finishReason: "content-filter" };

test.each([
  ["empty", empty, 3, "empty"],
  ["cut off", truncated, 3, "truncated"],
  ["stopped by the content filter", filtered, 1, "refused"],
] as const)("an answer that is %s is never done", async (_, answer, calls, reason) => {
  for (const output of [undefined, summary]) {
    const { team, model, run } = await open(answer, output === undefined ? {} : { output });

    expect(await run()).toMatchObject({ status: "dead", reason });
    expect(model.calls).toHaveLength(calls);
    await team.close();
  }
});

const rejecting = { verify: ({ reject }: { readonly reject: (reason: string) => unknown }) => reject("No sources are cited.") };

test.each([
  ["empty", empty, {}, "writer gave 3 answers, and none could be accepted. Of the last one: it was empty."],
  ["cut off", truncated, {}, "writer gave 3 answers, and none could be accepted. Of the last one: it was cut off at limits.outputTokensMax, 4096 tokens."],
  ["rejected", "an answer", rejecting, "writer gave 3 answers, and none could be accepted. Of the last one: verify rejected it: No sources are cited."],
  ["rejected at once", "an answer", { ...rejecting, verifyAttempts: 0 }, "writer gave an answer that cannot be accepted: verify rejected it: No sources are cited."],
  ["filtered", filtered, {}, "writer gave an answer that cannot be accepted: the provider refused to answer (content filter)."],
])("what people read of an answer that was %s is the reason, not what the model was told", async (_, answer, changes, message) => {
  const { team, model, run } = await open(answer, changes);

  expect(await run()).toMatchObject({ status: "dead", failure: { message } });
  expect(JSON.stringify(model.calls)).not.toContain("..");
  await team.close();
});

test("an empty answer is fed back, and a good one after it is done", async () => {
  const { team, model, run } = await open([empty, truncated, "forty-two"]);

  expect(await run()).toMatchObject({ status: "done", output: "forty-two" });
  expect(model.calls[2]?.messages.filter(({ role }) => role === "user").map((message) => ("text" in message ? message.text : ""))).toEqual([
    "Begin.", "Your answer was empty. Answer the task.", "Your answer was cut off at 4096 tokens. Answer again, shorter.",
  ]);
  await team.close();
});

test("the calls of an answer that was cut off are not made", async () => {
  const cut: ScriptedAnswer = { message: { role: "assistant", parts: [{ type: "tool-call", callId: "c1", toolName: "boom", input: {} }] }, finishReason: "length" };
  const { team, model, run } = await open([cut, "done"]);

  expect(await run()).toMatchObject({ status: "done" });
  expect(await team.records({ eventTypes: ["tool_call"] })).toEqual([]);
  expect(model.calls[1]?.messages.at(-1)).toMatchObject({ role: "tool", results: [{ callId: "c1", isError: true, value: expect.stringContaining("cut off") }] });
  await team.close();
});

test.each([
  ["plain", '{"summary":"good"}'],
  ["fenced", 'Here it is:\n```json\n{ "summary": "good" }\n```'],
])("a %s JSON answer counts where an output is asked for", async (_, text) => {
  const { team, run } = await open(text, { output: summary });

  expect(await run()).toMatchObject({ status: "done", output: { summary: "good" } });
  await team.close();
});

test("an answer that does not fit the schema is fed back with what is wrong", async () => {
  const { team, model, run } = await open([{ object: { summary: 7 } }, { object: {} }, { object: { summary: "good" } }], { output: summary });

  expect(await run()).toMatchObject({ status: "done", output: { summary: "good" } });
  expect(model.calls[1]?.messages.at(-1)).toMatchObject({ role: "tool", results: [{ toolName: "final_answer", isError: true, value: expect.stringMatching(/does not fit the schema: summary: .*Mend it and call final_answer again/) }] });
  await team.close();
});

test("an output that is no object is handed in wrapped", async () => {
  const { team, model, run } = await open({ object: { value: ["a", "b"] } }, { output: z.array(z.string()) });

  expect(await run()).toMatchObject({ status: "done", output: ["a", "b"] });
  const [system] = model.calls[0]?.messages ?? [];
  expect(system).toMatchObject({ tools: [{}, {}, { name: "final_answer", inputSchema: { type: "object", required: ["value"], properties: { value: { type: "array" } } } }] });
  await team.close();
});

test("several calls run at once, and their results come in the order of the calls", async () => {
  const { team, model } = await open([{ toolCalls: ["a", "b", "c"].map((name) => toolCall("slow", { name }, `call-${name}`)) }, "done"]);
  const taskId = await team.submit("writer", null);
  await team.settle();
  for (const resolve of turns.toReversed()) resolve();

  expect(await team.result(taskId)).toMatchObject({ status: "done" });
  expect(events).toEqual(["begin a", "begin b", "begin c", "end c", "end b", "end a"]);
  expect(model.calls[1]?.messages.at(-1)).toMatchObject({ role: "tool", results: [{ callId: "call-a", value: "a" }, { callId: "call-b", value: "b" }, { callId: "call-c", value: "c" }] });
  await team.close();
});

test("an unknown tool, invalid arguments and a tool that throws are results that the model reads", async () => {
  const calls = [toolCall("fly", {}, "c1"), toolCall("slow", { name: 7 }, "c2"), toolCall("boom", {}, "c3")];
  const { team, model, run } = await open([{ toolCalls: calls }, "done"]);

  expect(await run()).toMatchObject({ status: "done" });
  expect(model.calls[1]?.messages.at(-1)).toMatchObject({
    role: "tool",
    results: [
      { callId: "c1", isError: true, value: 'There is no tool "fly". Use one of: slow, boom.' },
      { callId: "c2", isError: true, value: expect.stringContaining("Tool slow was not called: its input is invalid. name:") },
      { callId: "c3", isError: true, value: "Tool boom failed: out of paper" },
    ],
  });
  const failures = await team.records({ eventTypes: ["tool_call"], result: "error" });
  expect(new Map(failures.map(({ tool_name, reason }) => [tool_name, reason?.split(":")[0]]))).toEqual(new Map([["fly", "invalid-input"], ["slow", "invalid-input"], ["boom", "failed"]]));
  await team.close();
});

test("an answer with more calls than its limit is refused by name, and none of them is made", async () => {
  const flood: ScriptedAnswer = { toolCalls: Array.from({ length: 10_000 }, (_, n) => toolCall("boom", {}, `c${n}`)) };
  const { team, model, run } = await open(flood);

  expect(await run()).toMatchObject({
    status: "dead", reason: "tool-call-limit",
    failure: { message: "writer gave 3 answers, and none could be accepted. Of the last one: it called 10000 tools at once; limits.toolCallsMax is 50." },
  });
  expect(await team.records({ eventTypes: ["tool_call"] })).toEqual([]);
  expect(model.calls[1]?.messages.at(-1)).toMatchObject({ role: "tool", results: expect.arrayContaining([{ type: "tool-result", callId: "c9999", toolName: "boom", isError: true, value: "You called 10000 tools at once, and none was run: at most 50 are." }]) });
  await team.close();
});

test("an agent may raise and lower how many calls an answer has", async () => {
  const two: ScriptedAnswer = { toolCalls: [toolCall("boom", {}, "c1"), toolCall("boom", {}, "c2")] };
  for (const [toolCallsMax, made] of [[1, 0], [2, 2]] as const) {
    const { team, run } = await open([two, "done"], { limits: { toolCallsMax } });

    expect(await run()).toMatchObject({ status: "done" });
    expect(await team.records({ eventTypes: ["tool_call"] })).toHaveLength(made);
    await team.close();
  }
});

test("an answer that comes together with other calls is put off until their results are known", async () => {
  const both: ScriptedAnswer = { toolCalls: [toolCall("boom", {}, "c1"), toolCall("final_answer", { summary: "printed" }, "c2")] };
  const { team, model, run } = await open([both, { object: { summary: "not printed: out of paper" } }], { output: summary });

  expect(await run()).toMatchObject({ status: "done", output: { summary: "not printed: out of paper" } });
  expect(model.calls[1]?.messages.at(-1)).toMatchObject({ role: "tool", results: [{ callId: "c1", value: "Tool boom failed: out of paper" }, { callId: "c2", isError: true }] });
  await team.close();
});
