import { Output, ToolLoopAgent, tool } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { RunContext } from "./context.ts";
import { type AiAgent, fromAgent } from "./from-agent.ts";

type Generated = Awaited<ReturnType<MockLanguageModelV4["doGenerate"]>>;

const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } };
const answer = (text: string, reason: "stop" | "length" = "stop"): Generated => ({ content: [{ type: "text", text }], finishReason: { unified: reason, raw: reason }, usage, warnings: [] });
const call = (toolName: string, input: object): Generated => ({ content: [{ type: "tool-call", toolCallId: "call_1", toolName, input: JSON.stringify(input) }], finishReason: { unified: "tool-calls", raw: "tool_calls" }, usage, warnings: [] });

/** A context that gives this model and the tools as they are. */
function contextOf(...answers: readonly Generated[]): { readonly ctx: RunContext; readonly model: MockLanguageModelV4 } {
  const model = new MockLanguageModelV4({ doGenerate: [...answers] });
  const ctx = { model: () => model, tools: (tools: object) => tools, signal: new AbortController().signal } as unknown as RunContext;
  return { ctx, model };
}

const spec = { name: "weather", input: z.object({ city: z.string() }), prompt: ({ city }: { city: string }) => `Weather in ${city}?` };
const runOf = (definition: { readonly spec: { readonly run?: unknown } }, ctx: RunContext): Promise<unknown> => (definition.spec.run as (ctx: RunContext, input: unknown) => Promise<unknown>)(ctx, { city: "Oslo" });

describe("fromAgent", () => {
  it("runs an AI SDK agent whose model and tools come from ctx, and gives its text", async () => {
    const asked: unknown[] = [];
    const temperature = tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => ({ degrees: 21, asked: asked.push(city) }) });
    const definition = fromAgent({ ...spec, agent: (ctx) => new ToolLoopAgent({ model: ctx.model("openai/gpt-5"), tools: ctx.tools({ temperature }) }) });
    const { ctx, model } = contextOf(call("temperature", { city: "Oslo" }), answer("21 degrees."));
    expect(await runOf(definition, ctx)).toBe("21 degrees.");
    expect(asked).toEqual(["Oslo"]);
    expect(JSON.stringify(model.doGenerateCalls[0]?.prompt)).toContain("Weather in Oslo?");
  });

  it("gives the structured output when there is a schema", async () => {
    const output = z.object({ degrees: z.number() });
    const definition = fromAgent({ ...spec, output, agent: (ctx) => new ToolLoopAgent({ model: ctx.model("openai/gpt-5"), output: Output.object({ schema: output }) }) });
    expect(await runOf(definition, contextOf(answer('{"degrees":21}')).ctx)).toEqual({ degrees: 21 });
  });

  it.each([["empty", answer(" ")], ["not complete", answer("21 deg", "length")]])("never takes an answer that is %s for one", async (what, given) => {
    const definition = fromAgent({ ...spec, agent: (ctx) => new ToolLoopAgent({ model: ctx.model("openai/gpt-5") }) });
    await expect(runOf(definition, contextOf(given).ctx)).rejects.toMatchObject({ code: "TASK_OUTPUT_INVALID", message: expect.stringContaining(what) });
  });

  it("hands over the signal of the task", async () => {
    const seen: unknown[] = [];
    const agent: AiAgent = { generate: async ({ abortSignal }) => ({ text: `answer ${seen.push(abortSignal)}` }) };
    const { ctx } = contextOf();
    await runOf(fromAgent({ ...spec, agent: () => agent }), ctx);
    expect(seen).toEqual([ctx.signal]);
  });
});
