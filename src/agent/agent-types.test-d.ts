import { z } from "zod";
import type { JsonObject } from "../base/json.ts";
import { type AgentDefinition, defineAgent, defineFlow, type FlowDefinition } from "./agent-definition.ts";
import { type BranchResult, parallel, pipeline } from "./compose.ts";
import type { CallResult } from "./context.ts";
import { fromAgent } from "./from-agent.ts";
import { defineTool, type ToolDefinition } from "./tool-definition.ts";
import { cron, every, on, poll } from "./trigger-definition.ts";

/** Compiles only when both types are the same. The compiler runs these tests; nothing here is executed. */
declare function same<A, B>(isSame: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false): void;

const company = z.object({ company: z.string() });
const summary = z.object({ summary: z.string(), sources: z.array(z.string()) });
interface Company {
  company: string;
}
interface Summary {
  summary: string;
  sources: string[];
}

// Input and output are those of the schemas.
const research = defineAgent({
  name: "research",
  model: "anthropic/claude-sonnet-5-5",
  instructions: ({ company }) => `Research ${company.toUpperCase()}.`,
  input: company,
  output: summary,
  verify: ({ input, output, accept, reject }) => (output.sources.length > 0 ? accept({ company: input.company }) : reject("no sources")),
  triggers: [
    every("15m", { input: () => ({ company: "Acme" }) }),
    cron("0 9 * * *", { input: async ({ dueAtMs }) => ({ company: String(dueAtMs) }) }),
    on("lead.found"),
    on("lead.found", { input: (event) => ({ company: event.company }) }),
    on("lead.found", { schema: company }),
    on("lead.found", { schema: z.object({ name: z.string() }), input: ({ name }) => ({ company: name }) }),
    poll("5m", { poll: async () => ({ items: [{ id: 7 }] }), key: ({ id }) => String(id), input: ({ id }) => ({ company: id.toFixed() }) }),
  ],
});
same<typeof research, AgentDefinition<Company, Summary>>(true);

// A transforming schema takes its input type and gives its output type.
const parsed = defineAgent({ name: "parsed", input: z.object({ at: z.string().transform(Number) }), run: async (_, { at }) => at.toFixed() });
same<typeof parsed, AgentDefinition<{ at: string }>>(true);

// A trigger that cannot satisfy the input does not compile.
defineAgent({
  name: "no-input",
  input: company,
  run: async () => 1,
  // @ts-expect-error a schedule without input cannot start an agent that needs one
  triggers: [every("15m")],
});
defineAgent({
  name: "wrong-input",
  input: company,
  run: async () => 1,
  // @ts-expect-error the company is a text
  triggers: [cron("0 9 * * *", { input: () => ({ company: 5 }) })],
});
defineAgent({
  name: "wrong-event",
  input: company,
  run: async () => 1,
  // @ts-expect-error the event's schema has a name, not a company
  triggers: [on("lead.found", { schema: z.object({ name: z.string() }), input: ({ name }) => ({ name }) })],
});
defineAgent({
  name: "wrong-item",
  input: company,
  run: async () => 1,
  // @ts-expect-error the item has a number where the company is a text
  triggers: [poll("5m", { poll: async () => ({ items: [{ id: 7 }] }), key: String, input: ({ id }) => ({ company: id }) })],
});
on("lead.found", {
  schema: z.object({ name: z.string() }),
  // @ts-expect-error the event's schema has no company
  input: (event) => event.company,
});

// @ts-expect-error a worker has either a model or durable code
defineAgent({ name: "both", model: "anthropic/claude-sonnet-5-5", instructions: "Work.", run: async () => 1 });
// @ts-expect-error an agent with a model has instructions
defineAgent({ name: "mute", model: "anthropic/claude-sonnet-5-5" });
// @ts-expect-error a model reference has a provider
defineAgent({ name: "vague", model: "claude", instructions: "Work." });
// @ts-expect-error durable code returns what the output schema says
defineAgent({ name: "wrong-output", output: summary, run: async () => ({ summary: 5, sources: [] }) });

// A tool's code gets the input of its schema, and says its effect.
const lookup = defineTool({ name: "lookup", description: "Look", inputSchema: company, effect: "read", execute: ({ company }) => company.length });
same<typeof lookup, ToolDefinition<Company, number>>(true);
// @ts-expect-error a tool says what its call does to the world
defineTool({ name: "lookup", description: "Look", inputSchema: company, execute: () => 1 });

// ctx.call takes the callee's input and gives its output.
const caller = defineFlow({
  name: "caller",
  run: async (ctx) => {
    const result = await ctx.call(research, { company: "Acme" });
    same<typeof result, CallResult<Summary>>(true);
    // @ts-expect-error the callee wants a company
    await ctx.call(research, { name: "Acme" });
    // @ts-expect-error the callee wants a text
    await ctx.send(research, { company: 5 });
    const length = await ctx.step("count", () => result.output.sources.length);
    same<typeof length, number>(true);
    return null;
  },
});
same<typeof caller, FlowDefinition>(true);

// A pipeline goes from the first input to the last output, and its stages fit.
const shorten = defineAgent({ name: "shorten", input: summary, output: z.string(), run: async (_, { summary }) => summary.slice(0, 10) });
const line = pipeline({ name: "line", stages: [research, shorten], triggers: [every("1h", { input: () => ({ company: "Acme" }) })] });
same<typeof line, FlowDefinition<Company, string>>(true);
// @ts-expect-error the second stage does not take what the first gives
pipeline({ name: "misfit", stages: [shorten, research] });
// @ts-expect-error a pipeline has a stage
pipeline({ name: "none", stages: [] });
// @ts-expect-error the trigger gives no company
pipeline({ name: "untriggered", stages: [research, shorten], triggers: [every("1h")] });

// Parallel branches share an input and give a result each.
const rate = defineAgent({ name: "rate", input: z.object({ weight: z.number() }), output: z.number(), run: async (_, { weight }) => weight });
const both = parallel({ name: "both", branches: { report: research, rating: rate } });
same<typeof both, FlowDefinition<Company & { weight: number }, { readonly report: BranchResult<Summary>; readonly rating: BranchResult<number> }>>(true);

// An AI SDK agent gives its text, or what its output schema says.
const answering = { generate: async () => ({ text: "yes" }) };
const text = fromAgent({ name: "text", input: company, agent: () => answering, prompt: ({ company }) => company, verify: ({ output, accept }) => accept(output.length) });
same<typeof text, AgentDefinition<Company, string>>(true);
const structured = fromAgent({ name: "structured", input: company, output: summary, agent: () => answering, prompt: () => "Go." });
same<typeof structured, AgentDefinition<Company, Summary>>(true);
// @ts-expect-error an agent generates text
fromAgent({ name: "not-an-agent", input: company, agent: () => ({ generate: async () => 5 }), prompt: () => "Go." });

/** Published data is plain. */
const published: JsonObject = { company: "Acme" };
// @ts-expect-error a date is not plain data
const unpublished: JsonObject = { at: new Date(0) };
void [published, unpublished];
