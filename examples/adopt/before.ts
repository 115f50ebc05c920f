import { anthropic } from "@ai-sdk/anthropic";
import { isStepCount, tool, ToolLoopAgent } from "ai";
import { z } from "zod";

const findCompany = tool({
  description: "Find a company in the CRM",
  inputSchema: z.object({ name: z.string() }),
  execute: async ({ name }) => ({ name, employees: 120 }),
});

const agent = new ToolLoopAgent({
  model: anthropic("claude-haiku-4-5"),
  instructions: "Look the company up, then sum up in one sentence what we know of it.",
  tools: { findCompany },
  stopWhen: isStepCount(10),
});

console.log((await agent.generate({ prompt: "Acme" })).text);
