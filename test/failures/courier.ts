import { defineAgent, defineTeam, defineTool, endpoint, mcp, type TeamDefinition, usd } from "longhaul";
import { z } from "zod";
import { type Script, replyToolCall, toolResultsOf } from "../../src/lab/provider/index.ts";
import { isJsonObject, type Json } from "../../src/base/json.ts";
import type { FailureCase } from "./case.ts";
import type { Hooks } from "./hooks.ts";
import type { Outside } from "./outside.ts";

/** Where the courier's tools are, when they are not functions of its own. */
export type McpPlace = { readonly url: string } | { readonly command: string; readonly args: readonly string[] };

export interface CourierOptions {
  readonly name: string;
  readonly failure: FailureCase;
  readonly outside: Outside;
  readonly fetch: (request: Request) => Promise<Response>;
  /** The fault of a point; what it returns replaces what the point returns. */
  readonly reach: (point: Point, signal: AbortSignal) => Promise<unknown>;
  readonly mcp: McpPlace | null;
}

export type Point = keyof Hooks;

export const models = { anthropic: "anthropic/claude-haiku-4-5", openai: "openai/gpt-5-mini", "openai-compatible": "local/llama-4" } as const;
/** As what the simulated calls are charged. */
export const prices = { anthropic: "anthropic/claude-haiku-4-5", openai: "openai/gpt-5-mini", "openai-compatible": "openai/gpt-5-mini" } as const;

/** One team for all cases: an agent that looks a fact up, delivers it once, and hands both in; `verify` asks the source and the sink. */
export function defineCourier(options: CourierOptions): TeamDefinition {
  const { failure, outside, fetch, reach } = options;
  const { wire = "anthropic", budget, limits } = failure;
  const provider = models[wire].split("/")[0] ?? "";
  const courier = defineAgent({
    name: "courier",
    model: models[wire],
    instructions: "Look the order up, deliver what you found, and hand in both.",
    input: z.object({ order: z.string() }),
    output: z.object({ fact: z.string(), receipt: z.string() }),
    tools: options.mcp === null ? functionTools(options) : [serverTools(options.mcp, options)],
    budget: { perTask: usd(1), perDay: usd(10), ...budget },
    limits: { outputTokensMax: 1_000, ...limits },
    verify: async ({ output, signal, accept, reject }) => {
      const replaced = await reach("verify", signal);
      if (replaced !== undefined) return replaced as ReturnType<typeof accept>;
      if (output.fact !== outside.fact) return reject(`the source says something else than "${output.fact}"`);
      return outside.find(outside.order)?.receipt === output.receipt ? accept({ receipt: output.receipt }) : reject(`the sink knows no receipt ${output.receipt}`);
    },
  });
  return defineTeam({
    name: options.name,
    agents: [courier],
    endpoints: [endpoint({ name: provider, wire, baseUrl: "http://simulator.test/v1", simulated: true, priceAs: prices[wire], fetch })],
  });
}

function functionTools({ outside, reach, failure }: CourierOptions) {
  const lookUp = defineTool({
    name: "look_up", description: "Where an order is", inputSchema: z.object({ order: z.string() }), effect: "read", timeout: "10s",
    execute: async (_, { signal }): Promise<Json> => ((await reach("lookUp", signal)) as Json | undefined) ?? { fact: outside.fact },
  });
  const delivery = z.object({ order: z.string(), fact: z.string() });
  const deliver = defineTool({
    name: "deliver", description: "Deliver what was found", inputSchema: delivery, effect: "once", timeout: "10s",
    execute: async ({ order, fact }, { signal, idempotencyKey }): Promise<Json> => {
      await reach("beforeDelivery", signal);
      const receipt = outside.deliver(order, fact, idempotencyKey);
      return ((await reach("afterDelivery", signal)) as Json | undefined) ?? receipt;
    },
    ...(failure.without === "reconcile" ? {} : {
      reconcile: async ({ order }: z.infer<typeof delivery>, { signal }: { readonly signal: AbortSignal }) => {
        const replaced = await reach("reconcile", signal);
        if (replaced !== undefined) return replaced as { readonly happened: "unknown" };
        const found = outside.find(order);
        return found === null ? ({ happened: false } as const) : ({ happened: true, value: { receipt: found.receipt } } as const);
      },
    }),
  });
  return [lookUp, deliver];
}

function serverTools(place: McpPlace, { outside, reach }: CourierOptions) {
  return mcp({
    name: "warehouse",
    ...place,
    effects: {
      look_up: "read",
      deliver: {
        effect: "once",
        reconcile: async ({ signal }) => {
          await reach("reconcile", signal);
          const found = outside.find(outside.order);
          return found === null ? { happened: false } : { happened: true, value: { receipt: found.receipt } };
        },
      },
    },
  });
}

/** The model when nothing is wrong with it: it goes by what is in the conversation alone, and tries again what failed. */
export const courierScript: Script = (request) => {
  const order = orderOf(request);
  const found = resultOf(request, "look_up", "fact");
  if (found === null) return replyToolCall("look_up", { order });
  const receipt = resultOf(request, "deliver", "receipt");
  return receipt === null ? replyToolCall("deliver", { order, fact: found }) : replyToolCall("final_answer", { fact: found, receipt });
};

/** Stands in the first message; what is said later is about the answers. */
export function orderOf({ messages }: Parameters<Script>[0]): string {
  return /\\"order\\":\s*\\"([^"\\]+)/.exec(JSON.stringify(messages[0]?.parts ?? []))?.[1] ?? "unknown";
}

function resultOf(request: Parameters<Script>[0], tool: string, field: string): string | null {
  const values = toolResultsOf(request).filter(({ name }) => name === tool).map(({ text }) => fieldOf(text, field));
  return values.findLast((value) => value !== null) ?? null;
}

function fieldOf(text: string, field: string): string | null {
  try {
    const value = JSON.parse(text) as Json;
    return isJsonObject(value) && typeof value[field] === "string" ? value[field] : null;
  } catch {
    // An error is told as text.
    return null;
  }
}
