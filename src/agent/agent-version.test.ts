import { describe, expect, it } from "vitest";
import { z } from "zod";
import { usd } from "../base/money.ts";
import { type AgentDefinition, defineAgent, type FlowDefinition } from "./agent-definition.ts";
import { computeAgentVersion } from "./agent-version.ts";
import { parallel, pipeline } from "./compose.ts";
import { fromAgent } from "./from-agent.ts";
import { defineTool, mcp } from "./tool-definition.ts";
import { every } from "./trigger-definition.ts";

const tool = { name: "look", description: "Look", inputSchema: z.object({ at: z.string() }), effect: "read", execute: () => 1 } as const;
const base = { name: "a", model: "openai/gpt-5", instructions: "Work.", tools: [defineTool(tool)], output: z.object({ text: z.string() }), limits: { turnsMax: 5 } } as const;
const versionWith = (changes: object): string => computeAgentVersion(defineAgent({ ...base, ...changes }));
const work = (name: string, run: () => Promise<unknown>): AgentDefinition => defineAgent({ name, run });

describe("computeAgentVersion", () => {
  it("is 12 hexadecimal digits, the same for an equal definition", () => {
    expect(versionWith({})).toMatch(/^[0-9a-f]{12}$/);
    expect(versionWith({ output: z.object({ text: z.string() }), tools: [defineTool({ ...tool })] })).toBe(versionWith({}));
  });

  it.each<readonly [string, object]>([
    ["model", { model: "openai/gpt-5-mini" }],
    ["instructions", { instructions: "Work well." }],
    ["instructions as a function", { instructions: () => "Work." }],
    ["prompt", { prompt: () => "Go." }],
    ["a tool's name", { tools: [defineTool({ ...tool, name: "see" })] }],
    ["a tool's effect", { tools: [defineTool({ ...tool, effect: "once" })] }],
    ["a tool's schema", { tools: [defineTool({ ...tool, inputSchema: z.object({ at: z.number() }) })] }],
    ["a tool's approval", { tools: [defineTool({ ...tool, needsApproval: true })] }],
    ["a tool's approval as a function", { tools: [defineTool({ ...tool, needsApproval: ({ at }) => at === "x" })] }],
    ["an MCP server", { tools: [...base.tools, mcp({ name: "web", url: "http://x" })] }],
    ["output", { output: z.object({ text: z.number() }) }],
    ["verify", { verify: () => null }],
    ["limits", { limits: { turnsMax: 6 } }],
    ["temperature", { temperature: 0 }],
  ])("changes with the %s", (_, changes) => {
    expect(versionWith(changes)).not.toBe(versionWith({}));
  });

  it("does not change with what does not shape behaviour", () => {
    expect(versionWith({ name: "b", description: "x", budget: { perDay: usd(1) }, expect: { progressWithin: "1h" }, triggers: [every("1h")] })).toBe(versionWith({}));
  });

  it("changes with the approval of a tool of an MCP server, and not with one that is never needed", () => {
    const version = (needsApproval?: object | true) => versionWith({ tools: [mcp({ name: "web", url: "http://x", ...(needsApproval === undefined ? {} : { needsApproval: needsApproval as true }) })] });

    expect(new Set([version(), version(true), version({ pay: true }), version({ pay: () => true })]).size).toBe(4);
    expect(versionWith({ tools: [defineTool({ ...tool, needsApproval: false, approvalWithin: "1h" })] })).toBe(versionWith({}));
  });

  it("takes a model object by its provider and id, and equal limits as equal however written", () => {
    expect(versionWith({ model: { provider: "openai", modelId: "gpt-5" } })).toBe(versionWith({}));
    expect(versionWith({ limits: { deadline: "2h" } })).toBe(versionWith({ limits: { deadline: 7_200_000 } }));
  });

  it("changes with the durable code", () => {
    expect(computeAgentVersion(work("a", async () => 1))).not.toBe(computeAgentVersion(work("a", async () => 2)));
  });

  it("changes with what a flow or a durable AI SDK agent was made from", () => {
    const [x, y] = [work("x", async () => 1), work("y", async () => 1)];
    const flows: readonly FlowDefinition[] = [pipeline({ name: "f", stages: [x, y] }), pipeline({ name: "f", stages: [y, x] }), parallel({ name: "f", branches: { x } }), parallel({ name: "f", branches: { x: y } })];
    const answer = { generate: async () => ({ text: "x" }) };
    const wrapped = [(input: unknown) => `a ${String(input)}`, (input: unknown) => `b ${String(input)}`].map((prompt) => fromAgent({ name: "f", input: z.unknown(), agent: () => answer, prompt }));
    const versions = [...flows, ...wrapped].map((definition) => computeAgentVersion(definition));
    expect(new Set(versions).size).toBe(6);
  });

  it("is there for schemas that have no JSON Schema", () => {
    expect(computeAgentVersion(defineAgent({ name: "a", input: z.object({ at: z.date() }), run: async () => 1 }))).toMatch(/^[0-9a-f]{12}$/);
  });
});
