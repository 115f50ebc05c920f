import { defineAgent, defineTeam, defineTool, type ToolDefinition, usd } from "longhaul";
import { z } from "zod";
import { LonghaulError } from "../../../src/base/error.ts";
import type { Model } from "../../../src/model/model.ts";
import { fixedPrice } from "../../../src/model/model-price.ts";
import { type ScriptedAnswer, scriptedModel } from "../../../src/model/scripted.ts";
import type { Effect } from "../../../src/tool/tool.ts";
import type { Outside } from "../outside.ts";
import type { Scenario } from "../scenario.ts";

/** What the model asks for, turn by turn: two tools at once, then one after the other, then an answer. */
const turns: readonly (readonly string[])[] = [["look", "note"], ["pay"], ["mail"], ["look"]];

function tool(outside: Outside, name: string, effect: Effect, canReconcile = false): ToolDefinition {
  return defineTool({
    name,
    description: `Does ${name}.`,
    inputSchema: z.object({ turn: z.number() }),
    effect,
    execute: (input, options) => outside.act(name, effect, input, options),
    ...(canReconcile
      ? {
          reconcile: async (_: unknown, { idempotencyKey: key }: { readonly idempotencyKey: string }) => {
            await outside.pause(`${key}/look`, 30);
            const happened = outside.hasHappened(key);
            outside.note({ type: "reconciled", key, happened });
            return happened ? ({ happened: true, value: { did: name, found: true } } as const) : ({ happened: false } as const);
          },
        }
      : {}),
  }) as ToolDefinition;
}

function shopModel(outside: Outside): Model {
  const scripted = scriptedModel(
    ({ messages }): ScriptedAnswer => {
      const turn = messages.filter(({ role }) => role === "tool").length;
      const names = turns[turn];
      return names === undefined ? "sold" : { toolCalls: names.map((toolName) => ({ toolName, input: { turn }, callId: `${toolName}-${turn}` })) };
    },
    { price: fixedPrice({ input: 3, output: 15 }) },
  );
  return {
    ...scripted,
    async complete(request) {
      const { idempotencyKey: key, signal } = request;
      await outside.pause(`${key}/asked`, 60, signal);
      const error = outside.modelError(key);
      if (error instanceof LonghaulError && error.code === "MODEL_TIMEOUT") outside.note({ type: "billed", key, microUsd: 1 });
      if (error !== null) throw error;
      const completion = await scripted.complete(request);
      outside.note({ type: "billed", key, microUsd: completion.costMicroUsd ?? 0 });
      await outside.pause(`${key}/answers`, 60, signal);
      return completion;
    },
  };
}

/** A model with tools of every effect, under a budget. */
export const shop: Scenario = {
  name: "shop",
  model: shopModel,
  define: (outside) =>
    defineTeam({
      name: "shop",
      agents: [
        defineAgent({
          name: "seller",
          model: "anthropic/scripted",
          instructions: "Sell.",
          limits: { concurrency: 2, outputTokensMax: 100 },
          budget: { perTask: usd(5), perDay: usd(50) },
          tools: [tool(outside, "look", "read"), tool(outside, "note", "idempotent"), tool(outside, "pay", "once", true), tool(outside, "mail", "once")],
        }),
      ],
    }),
  actions: [
    { id: "a", type: "submit", atMs: 0, agent: "seller", input: "order 1", key: "first" },
    { id: "b", type: "submit", atMs: 100, agent: "seller", input: "order 2", key: "second" },
  ],
};
