import { type AgentDefinition, defineAgent, defineFlow, defineTeam, defineTool, isLonghaulError, on, parallel, pipeline, type VerifyOptions } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { tool } from "ai";
import { beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";

/*
 * Threads that this answers: openclaw/openclaw#78891 (a filtered answer counted as good), nahida-bot#42 (179 runs that "succeeded" and were not to be trusted):
 * what nobody accepted must not become an effect that cannot be taken back.
 */

const sent: string[] = [];
beforeEach(() => void (sent.length = 0));

const text = z.object({ text: z.string() });
const mail = (accepts?: readonly ("unverified" | "degraded")[]) =>
  defineTool({ name: "send_mail", description: "Sends", inputSchema: text, effect: "once", ...(accepts === undefined ? {} : { accepts }), execute: (input) => void sent.push(input.text) });
const accepting = ({ accept }: VerifyOptions<unknown, { text: string }>) => accept();
const researcher = (isVerified: boolean) =>
  defineAgent({ name: "researcher", output: text, run: async () => ({ text: "found" }), ...(isVerified ? { verify: accepting } : {}) });
const mailer = (accepts?: readonly ("unverified" | "degraded")[]) => defineAgent({ name: "mailer", model: "anthropic/test", instructions: "Mail.", input: text, tools: [mail(accepts)] });
/** Sends what it was given, then says what became of it. */
const model = () =>
  scriptedModel(({ messages }) => {
    const last = messages.at(-1);
    return last?.role === "tool" ? String(last.results[0]?.value) : { toolCalls: [{ toolName: "send_mail", input: { text: "hello" } }] };
  });

async function run(agents: readonly AgentDefinition[], flow: ReturnType<typeof defineFlow>) {
  const team = await testTeam(defineTeam({ name: "t", agents, flows: [flow] }), { models: model() });
  const end = await team.result(await team.submit(flow.name, undefined));
  return { team, end };
}

describe("a tool whose effect is once", () => {
  test.each([
    ["is not called on an unverified output", false, undefined, []],
    ["is called on a verified one", true, undefined, ["hello"]],
    ["is called on an unverified one when it accepts that", false, ["unverified"] as const, ["hello"]],
    ["is not called on an unverified one when it accepts something else", false, ["degraded"] as const, []],
  ])("%s", async (_, isVerified, accepts, expected) => {
    const stages = pipeline({ name: "outreach", stages: [researcher(isVerified) as never, mailer(accepts) as never] });

    const { team, end } = await run([researcher(isVerified), mailer(accepts)] as never, stages);

    expect(sent).toEqual(expected);
    const [call] = await team.records({ eventTypes: ["tool_call"] });
    const refusal = 'OUTCOME_NOT_ACCEPTED: send_mail was not called.';
    expect([call?.result, String(call?.reason).includes(refusal), JSON.stringify(end).includes(refusal)]).toEqual(expected.length === 0 ? ["error", true, true] : ["success", false, false]);
    const [task] = await team.tasks({ agent: "mailer" });
    expect(task?.doubts).toEqual(isVerified ? [] : ["unverified"]);
    await team.close();
  });

  test("is called in a task that no other task's output went into, however its own model does", async () => {
    const team = await testTeam(defineTeam({ name: "t", agents: [mailer()] }), { models: model() });

    await team.result(await team.submit("mailer", { text: "x" }));

    expect(sent).toEqual(["hello"]);
    await team.close();
  });

  test.each([
    ["is refused without asking a person, who could not allow it", undefined, []],
    ["asks the person when it accepts the output", ["unverified"] as const, ["asked"]],
  ])("and that needs a person's permission %s", async (_, accepts, asked) => {
    const paying = defineTool({ ...mail(accepts).spec, needsApproval: true });
    const agent = defineAgent({ ...mailer().spec, tools: [paying] } as never);
    const stages = pipeline({ name: "outreach", stages: [researcher(false) as never, agent as never] });
    const team = await testTeam(defineTeam({ name: "t", agents: [researcher(false), agent] as never, flows: [stages] }), { models: model() });
    await team.submit("outreach", undefined);
    await team.settle();

    expect((await team.records({ eventTypes: ["approval"] })).map(({ result }) => result)).toEqual(asked);
    expect((await team.tasks({ agent: "mailer" }))[0]).toMatchObject(accepts === undefined ? { status: "done" } : { status: "waiting", waitingReason: "human" });
    expect(sent).toEqual([]);
    await team.close();
  });

  test("of other effects asks nothing", async () => {
    const idempotent = defineTool({ name: "send_mail", description: "Sends", inputSchema: text, effect: "idempotent", execute: (input) => void sent.push(input.text) });
    const agent = defineAgent({ name: "mailer", model: "anthropic/test", instructions: "Mail.", input: text, tools: [idempotent] });
    const { team } = await run([researcher(false), agent] as never, pipeline({ name: "outreach", stages: [researcher(false) as never, agent as never] }) as never);

    expect(sent).toEqual(["hello"]);
    await team.close();
  });

  test.each([[undefined, []], [["unverified"] as const, ["now"]]])("of ctx.tools obeys accepts %s, as soon as an output is there", async (accepts, expected) => {
    const codes: unknown[] = [];
    const flow = defineFlow({
      name: "outreach",
      run: async (ctx) => {
        const tools = ctx.tools({ send: tool({ inputSchema: text, execute: (input: { readonly text: string }) => void sent.push(input.text) }) }, accepts === undefined ? {} : { accepts });
        const send = (id: string, said: string) => Promise.resolve(tools.send.execute?.({ text: said }, { toolCallId: id, messages: [], context: {} })).catch((error: unknown) => void codes.push(isLonghaulError(error) ? error.code : error));
        await send("before", "before");
        await ctx.call(researcher(false), undefined);
        await send("after", "now");
      },
    });
    const { team } = await run([researcher(false)] as never, flow);

    expect(sent).toEqual(["before", ...expected]);
    expect(codes).toEqual(expected.length > 0 ? [] : ["OUTCOME_NOT_ACCEPTED"]);
    await team.close();
  });
});

describe("a run that was given a degraded output", () => {
  const shaky = defineAgent({ name: "shaky", run: async () => { throw new Error("no data"); }, fallback: [() => "a guess"] });
  test.each([
    ["is degraded too, with the reason", false, "degraded", "shaky is degraded: its own code stood in for dead(failed): no data"],
    ["is verified when its own verify accepts", true, "verified", null],
  ])("%s", async (_, isVerified, outcome, reason) => {
    const flow = defineFlow({ name: "outreach", run: async (ctx) => (await ctx.call(shaky, undefined)).output, ...(isVerified ? { verify: ({ accept }: VerifyOptions<unknown, unknown>) => accept() } : {}) });
    const { team, end } = await run([shaky], flow);

    expect(end).toMatchObject({ status: "done", outcome, reason });
    await team.close();
  });
});

describe("what is not accepted", () => {
  test("is thrown at the caller, and leaves no doubt when it is caught", async () => {
    const codes: unknown[] = [];
    const flow = defineFlow({
      name: "careful",
      run: async (ctx) => {
        const result = await ctx.call(researcher(false), undefined as never, { accepts: ["verified"] }).catch((error: unknown) => void codes.push(isLonghaulError(error) ? [error.code, error.message] : error));
        await ctx.send(mailer(), { text: "my own words" });
        return result ?? "none";
      },
    });
    const { team, end } = await run([researcher(false), mailer()] as never, flow);
    await team.settle();

    expect(end).toMatchObject({ status: "done", output: "none" });
    expect(codes).toEqual([["OUTCOME_NOT_ACCEPTED", "The output of researcher is unverified; this call accepts verified."]]);
    expect(sent).toEqual(["hello"]);
    await team.close();
  });

  test("by the agent that gets it ends the flow before it starts", async () => {
    const strict = defineAgent({ name: "strict", input: text, accepts: ["degraded"], run: async () => "worked" });
    const { team, end } = await run([researcher(false), strict] as never, pipeline({ name: "outreach", stages: [researcher(false) as never, strict as never] }) as never);

    expect(end).toMatchObject({ status: "dead", reason: "not-accepted", failure: { code: "OUTCOME_NOT_ACCEPTED", message: expect.stringContaining("strict does not accept input from unverified outputs") } });
    expect(await team.tasks({ agent: "strict" })).toEqual([]);
    await team.close();
  });

  test("comes by an event and is refused there, after a crash of the meaning too: send and publish hand the doubt on", async () => {
    const strict = defineAgent({ name: "strict", accepts: ["verified"], triggers: [on("found")], run: async () => "worked" });
    const open = defineAgent({ name: "open", run: async (ctx) => (await ctx.send(last, undefined as never), "worked") });
    const last = defineAgent({ name: "last", run: async () => "worked" });
    const flow = defineFlow({
      name: "outreach",
      run: async (ctx) => {
        await ctx.call(researcher(false), undefined);
        await ctx.publish("found", {});
        await ctx.send(open, undefined);
      },
    });
    const { team } = await run([researcher(false), strict, open, last] as never, flow);
    await team.advance("1s");

    expect(await team.tasks({ agent: "strict" })).toMatchObject([{ status: "dead", doubts: ["unverified"], end: { reason: "not-accepted" } }]);
    expect(await team.tasks({ agent: "last" }), "two tasks on").toMatchObject([{ status: "done", doubts: ["unverified"] }]);
    await team.close();
  });

  test("is one branch's own failure", async () => {
    const strict = defineAgent({ name: "strict", accepts: ["verified"], run: async () => "worked" });
    const plain = defineAgent({ name: "plain", run: async () => "worked" });
    const both = parallel({ name: "both", branches: { strict, plain } });
    const flow = defineFlow({ name: "outreach", run: async (ctx) => { await ctx.call(researcher(false), undefined); return (await ctx.call(both, undefined)).output; } });
    const team = await testTeam(defineTeam({ name: "t", agents: [researcher(false), strict, plain] as never, flows: [both, flow] as never }));

    expect(await team.result(await team.submit("outreach", undefined))).toMatchObject({ status: "done", output: { strict: { ok: false }, plain: { ok: true } } });
    await team.close();
  });
});

describe("accepts", () => {
  test.each([
    ["of an agent", { name: "a", run: async () => null, accepts: [] }],
    ["of an agent", { name: "a", run: async () => null, accepts: ["certain"] }],
    ["of a tool", { name: "a", model: "anthropic/test", instructions: "x", tools: [mail(["certain"] as never)] }],
  ])("%s that is none is refused at load", async (_, spec) => {
    await expect(testTeam(defineTeam({ name: "t", agents: [defineAgent(spec as never)] }), { models: model() })).rejects.toThrow(/accepts.*unverified/);
  });
});

describe("a task that an event of a run with a degraded output began", () => {
  test.each([
    ["ends degraded too, and says why", false, { outcome: "degraded", reason: "it was begun with a degraded output of another task" }],
    ["ends verified when its own verify accepts", true, { outcome: "verified", reason: null }],
  ])("%s", async (_, isVerified, expected) => {
    const rough = defineAgent({ name: "rough", output: z.string(), run: () => { throw new Error("no"); }, fallback: [() => "rough"] });
    const told = defineAgent({ name: "told", input: text, output: text, triggers: [on("made", { input: (event) => ({ text: String(event["text"]) }) })], run: async (_ctx, input) => input, ...(isVerified ? { verify: accepting } : {}) });
    const teller = defineAgent({ name: "teller", run: async (ctx) => { await ctx.publish("made", { text: (await ctx.call(rough, null)).output }); } });
    const team = await testTeam(defineTeam({ name: "t", agents: [rough, teller, told] }), {});
    await team.result(await team.submit(teller, undefined));
    await team.advance("1m");

    expect(await team.tasks({ agent: "told" })).toMatchObject([{ doubts: ["degraded"], end: expected }]);
    await team.close();
  });
});
