import { anthropic } from "@ai-sdk/anthropic";
import { isStepCount, tool, ToolLoopAgent } from "ai";
import { defineTeam, fromAgent, type RunContext } from "longhaul";
import { z } from "zod";

const findCompany = tool({
  description: "Find a company in the CRM",
  inputSchema: z.object({ name: z.string() }),
  execute: async ({ name }) => ({ name, employees: 120 }),
});

const agent = (ctx: RunContext) => new ToolLoopAgent({
  model: ctx.model(anthropic("claude-haiku-4-5")),
  instructions: "Look the company up, then sum up in one sentence what we know of it.",
  tools: ctx.tools({ findCompany }, { effects: { findCompany: "read" } }),
  stopWhen: isStepCount(10),
});

const research = fromAgent({ name: "research", agent, input: z.string(), prompt: (company) => company });
export default defineTeam({ name: "research", agents: [research] });
