import { defineAgent, defineTeam, defineTool, usd } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { generateText, stepCountIs, tool } from "ai";
import { z } from "zod";
import { LonghaulError } from "../../src/base/error.ts";
import type { AssistantMessage } from "../../src/record/message.ts";
import { noUsage } from "../../src/record/usage.ts";
import { fixedPrice } from "../../src/model/model-price.ts";
import { type Act, acting, type Scenario } from "./scenario.ts";

const model = "anthropic/test";
const weigh = (act: Act) =>
  defineTool({ name: "weigh", description: "Weigh a thing", inputSchema: z.object({ thing: z.string() }), effect: "read", execute: ({ thing }) => { act(); return { grams: thing.length }; } });

/** Runs of our own loop: what agents with `model` and `instructions` take. */
export const modelScenarios: readonly Scenario[] = [
  {
    name: "model-loop",
    about: "Two tools at once, one of them failing, an answer that does not fit the schema, one that verify rejects, and one that it accepts",
    team: (act) =>
      defineTeam({
        name: "journals",
        agents: [
          defineAgent({
            name: "main",
            model,
            instructions: "Weigh the fruit.",
            tools: [weigh(act)],
            output: z.object({ grams: z.number() }),
            verify: ({ output, accept, reject }) => { act(); return output.grams === 9 ? accept({ sum: 9 }) : reject("the sum is wrong"); },
          }),
        ],
      }),
    model: (act) =>
      scriptedModel((_, call) => {
        act();
        if (call === 1) return { toolCalls: [{ toolName: "weigh", input: { thing: "apple" } }, { toolName: "weigh", input: { thing: 7 } }, { toolName: "weigh", input: { thing: "pear" } }] };
        return { object: call === 2 ? { grams: "nine" } : { grams: call === 3 ? 8 : 9 } };
      }),
  },
  {
    name: "model-refused",
    about: "A run that died: the provider refused to answer after a tool call",
    team: (act) => defineTeam({ name: "journals", agents: [defineAgent({ name: "main", model, instructions: "Weigh.", tools: [weigh(act)] })] }),
    model: (act) =>
      scriptedModel((_, call) => {
        act();
        return call === 1 ? { toolCalls: [{ toolName: "weigh", input: { thing: "apple" } }] } : { text: "", finishReason: "content-filter" };
      }),
  },
  {
    name: "money",
    about: "A model call that waits for a budget until the day ends, and is made again after the provider refused three tries",
    team: () => defineTeam({ name: "journals", agents: [defineAgent({ name: "main", model, instructions: "Write.", limits: { outputTokensMax: 100 }, budget: { perTask: usd(0.15), perDay: usd(0.15) } })] }),
    model(act) {
      const message: AssistantMessage = { role: "assistant", parts: [{ type: "text", text: "written" }] };
      return scriptedModel(
        (_, call) => {
          act();
          return call > 1 && call <= 4 ? { error: new LonghaulError("MODEL_THROTTLED", "429", { retry: "backoff" }) } : { message, usage: { ...noUsage, outputTokens: 90 } };
        },
        { price: fixedPrice({ input: 0, output: 1000 }) },
      );
    },
    async drive(team, first) {
      await team.result(first);
      const second = await team.submit("main", null);
      await team.result(second);
      return second;
    },
  },
  {
    name: "once",
    about: "A once tool that a time limit cut off: a person was asked, and said that it happened",
    team: (act) =>
      defineTeam({
        name: "journals",
        agents: [
          defineAgent({
            name: "main",
            model,
            instructions: "Mail.",
            tools: [
              defineTool({
                name: "send", description: "Send a mail", inputSchema: z.object({ to: z.string() }), effect: "once", timeout: "10s",
                execute: (_, { signal }) => { act(); return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true })); },
              }),
            ],
          }),
        ],
      }),
    model: (act) =>
      scriptedModel(({ messages }) => {
        act();
        return messages.at(-1)?.role === "tool" ? "sent" : { toolCalls: [{ toolName: "send", input: { to: "ann" }, callId: "c1" }] };
      }),
    async drive(team, taskId) {
      await team.advance(11_000);
      await team.live.operations.approve(String((await team.task(taskId)).runId), "happened", { id: "mail_1" });
      await team.result(taskId);
      return taskId;
    },
  },
  {
    name: "approval",
    about: "Calls that need a person's permission: one is allowed, one denied, and one is answered by nobody",
    team: (act) =>
      defineTeam({
        name: "journals",
        agents: [
          defineAgent({
            name: "main",
            model,
            instructions: "Pay.",
            tools: [defineTool({ name: "pay", description: "Pay", inputSchema: z.object({ amount: z.number() }), effect: "idempotent", needsApproval: true, approvalWithin: "1h", execute: acting(act, { paid: true }) })],
          }),
        ],
      }),
    model: (act) =>
      scriptedModel(({ messages }) => {
        act();
        const turn = messages.filter(({ role }) => role === "tool").length + 1;
        return turn === 4 ? "paid once" : { toolCalls: [{ toolName: "pay", input: { amount: turn }, callId: `c${turn}` }] };
      }),
    async drive(team, taskId) {
      const runId = String((await team.task(taskId)).runId);
      await team.live.operations.approve(runId, "allow", null, { call: "c1", source: "cli", by: "ada" });
      await team.settle();
      await team.live.operations.approve(runId, "deny", null, { reason: "not twice" });
      await team.result(taskId);
      return taskId;
    },
  },
  {
    name: "ai-sdk",
    about: "An agent written for the AI SDK: generateText with ctx.model and ctx.tools",
    team: (act) =>
      defineTeam({
        name: "journals",
        agents: [
          defineAgent({
            name: "main",
            run: async (ctx) => {
              const scale = tool({ description: "Weigh a thing", inputSchema: z.object({ thing: z.string() }), execute: async ({ thing }) => acting(act, { grams: thing.length })() });
              const { text } = await generateText({ model: ctx.model(model), tools: ctx.tools({ weigh: scale }, { effects: { weigh: "read" } }), stopWhen: stepCountIs(5), prompt: "Weigh the fruit." });
              return { text };
            },
          }),
        ],
      }),
    model: (act) =>
      scriptedModel(({ messages }) => {
        act();
        const asked = messages.filter(({ role }) => role === "tool").length;
        return asked < 2 ? { toolCalls: [{ toolName: "weigh", input: { thing: asked === 0 ? "apple" : "pear" } }] } : "5 and 4 grams";
      }),
  },
];
