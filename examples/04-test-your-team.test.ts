import { defineAgent, defineFlow, defineTeam, defineTool, every } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";

// The team under test; in your project it is imported from team.ts.
const search = defineTool({ name: "search", description: "Search the web", inputSchema: z.object({ query: z.string() }), effect: "read", execute: ({ query }) => [`https://example.com/${query}`] });
const researcher = defineAgent({
  name: "researcher",
  model: "anthropic/claude-haiku-4-5",
  instructions: "Research the company. Cite sources.",
  tools: [search],
  input: z.object({ company: z.string() }),
  output: z.object({ sources: z.array(z.string()) }),
  verify: ({ output, accept, reject }) => (output.sources.length > 0 ? accept({ sources: output.sources.length }) : reject("no sources cited")),
});
const nightly = defineFlow({
  name: "nightly",
  triggers: [every("1d")],
  run: async (ctx) => {
    await ctx.sleep("6h");
    return (await ctx.call(researcher, { company: "acme" })).output;
  },
});
const team = defineTeam({ name: "research", agents: [researcher], flows: [nightly] });

test("an answer without sources is sent back, and the second one counts", async () => {
  const model = scriptedModel([
    { toolCalls: [{ toolName: "search", input: { query: "acme" } }] },
    { object: { sources: [] } },
    { object: { sources: ["https://example.com/acme"] } },
  ]);
  const running = await testTeam(team, { models: model });

  const end = await running.result(await running.submit(researcher, { company: "acme" }));

  expect(end).toMatchObject({ status: "done", outcome: "verified", evidence: { sources: 1 } });
  expect(JSON.stringify(model.calls[2]?.messages)).toContain("no sources cited");
  expect(await running.records({ eventTypes: ["tool_call"] })).toMatchObject([{ tool_name: "search", result: "success" }]);
  await running.close();
});

test("three days pass in no time, and the schedule fires in each", async () => {
  const running = await testTeam(team, { models: scriptedModel({ object: { sources: ["https://example.com/acme"] } }) });

  await running.advance("81h");

  const runs = await running.tasks({ agent: "nightly" });
  expect(runs.map(({ status }) => status)).toEqual(["done", "done", "done"]);
  await running.close();
});

test("an agent that never gets an answer through is named", async () => {
  const running = await testTeam(team, { models: scriptedModel({ object: { sources: [] } }) });

  for (let index = 0; index < 5; index++) await running.result(await running.submit(researcher, { company: `c${index}` }));
  await running.advance("1m");

  expect(await running.health()).toMatchObject([{ agent: "researcher", health: { state: "down" }, bad: true }, { agent: "nightly", bad: false }]);
  expect(running.notifications().join("\n")).toContain("researcher is down");
  await running.close();
});
