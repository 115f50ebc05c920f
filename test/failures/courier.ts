import { type AgentDefinition, defineAgent, defineFlow, defineTeam, defineTool, endpoint, fallback, mcp, type TeamDefinition, usd } from "longhaul";
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
  const { failure: { wire = "anthropic", others = 0, via, isChain }, fetch } = options;
  const [courier, ...more] = Array.from({ length: via === undefined ? 1 + others : 1 }, (_, index) => courierNamed(courierName(index), options));
  if (courier === undefined) throw new Error("there is no courier");
  const wires = isChain === true ? (["anthropic", "openai"] as const) : [wire];
  return defineTeam({
    name: options.name,
    agents: [courier, ...more],
    flows: via === undefined ? [] : [defineDispatcher(courier, options)],
    endpoints: wires.map((each) => endpoint({ name: models[each].split("/")[0] ?? "", wire: each, baseUrl: "http://simulator.test/v1", simulated: true, priceAs: prices[each], fetch })),
  });
}

/** Whose order it is: the first is the one that the line is about. */
export function courierName(index: number): string {
  return index === 0 ? "courier" : `courier-${index + 1}`;
}

const orders = z.object({ order: z.string() });
const report = z.object({ fact: z.string(), receipt: z.string() });
type Courier = AgentDefinition<z.infer<typeof orders>, z.infer<typeof report>>;

function courierNamed(name: string, options: CourierOptions): Courier {
  const { failure, outside, reach } = options;
  const { wire = "anthropic", budget, limits, isChain } = failure;
  return defineAgent({
    name,
    model: isChain === true ? fallback([models.anthropic, models.openai]) : models[wire],
    instructions: "Look the order up, deliver what you found, and hand in both.",
    input: orders,
    output: report,
    tools: options.mcp === null ? functionTools(options) : [serverTools(options.mcp, options)],
    budget: { perTask: usd(1), perDay: usd(10), ...budget },
    limits: { outputTokensMax: 1_000, ...limits },
    verify: async ({ input, output, signal, accept, reject }) => {
      const replaced = await reach("verify", signal);
      if (replaced !== undefined) return replaced as ReturnType<typeof accept>;
      if (output.fact !== outside.factOf(input.order)) return reject(`the source says something else than "${output.fact}"`);
      return outside.find(input.order)?.receipt === output.receipt ? accept({ receipt: output.receipt }) : reject(`the sink knows no receipt ${output.receipt}`);
    },
  });
}

/** Takes the order, and calls the courier. */
function defineDispatcher(courier: Courier, { failure: { via }, outside, reach }: CourierOptions) {
  return defineFlow({
    name: "dispatcher",
    input: orders,
    output: report,
    limits: { concurrency: 50 },
    run: async (ctx, { order }) => {
      if (via === "saga") {
        await ctx.compensate("free the slot", async ({ idempotencyKey, signal }) => {
          await reach("beforeFreeing", signal);
          outside.freeSlots(order, idempotencyKey);
          await reach("afterFreeing", signal);
        });
        await ctx.step("take a slot", async ({ idempotencyKey, signal }) => {
          await reach("beforeSlot", signal);
          outside.takeSlot(order, idempotencyKey);
          await reach("afterSlot", signal);
        });
      }
      return (await ctx.call(courier, { order })).output;
    },
    verify: ({ input, output, accept, reject }) => (outside.find(input.order)?.receipt === output.receipt ? accept({ receipt: output.receipt }) : reject(`the sink knows no receipt ${output.receipt}`)),
  });
}

function functionTools({ outside, reach, failure }: CourierOptions) {
  const lookUp = defineTool({
    name: "look_up", description: "Where an order is", inputSchema: z.object({ order: z.string() }), effect: "read", timeout: "10s",
    execute: async ({ order }, { signal }): Promise<Json> => ((await reach("lookUp", signal)) as Json | undefined) ?? { fact: outside.factOf(order) },
  });
  const delivery = z.object({ order: z.string(), fact: z.string() });
  const deliver = defineTool({
    name: "deliver", description: "Deliver what was found", inputSchema: delivery, effect: "once", timeout: "10s",
    ...(failure.approvalWithin === undefined ? {} : { needsApproval: true, approvalWithin: failure.approvalWithin }),
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
