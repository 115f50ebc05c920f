import { describe, expect, it } from "vitest";
import { simulate } from "../../src/lab/simulation/simulate.ts";

const fixture = (name: string): URL => new URL(`./fixture/${name}.ts`, import.meta.url);

describe("a team over the AI SDK, an MCP server and HTTP, in a world of its own", async () => {
  const result = await simulate({
    team: fixture("sdk-team"),
    world: fixture("world"),
    horizon: "7h",
    environment: { ANTHROPIC_API_KEY: "k" },
    keep: { limit: 1_000 },
  });
  const outputOf = (agent: string): unknown => result.kept.find((record) => record.agent_id === agent && record.result === "done(unverified)")?.data["output"];

  it("reaches its providers through the virtual fetch, and MCP servers through memory, in virtual time", () => {
    expect(outputOf("researcher")).toMatch(/^found: company \d+ was founded at 2026-01-01T06:00:21.500Z$/);
    expect(result.kept.filter(({ event_type }) => event_type === "model_call").map(({ timestamp, simulated }) => [timestamp, simulated])).toEqual([
      ["2026-01-01T06:00:01.500Z", false],
      ["2026-01-01T06:00:23.000Z", false],
    ]);
    expect(result.kept.filter(({ event_type }) => event_type === "tool_call")).toMatchObject([{ tool_name: "find", result: "success", duration_ms: 20_000 }]);
  });

  it("runs generateText with tools as it is", () => {
    expect(outputOf("generator")).toEqual({ text: expect.stringMatching(/^found: sunny in company \d+$/), steps: 2, tookMs: 63_000 });
  });

  it("runs streamText, and its timeout option ends a stream that stopped", () => {
    expect(outputOf("streamer")).toEqual({ quick: { ended: "stop", hasText: true, tookMs: 1_500 }, slow: { ended: "TimeoutError", tookMs: 45_000 } });
  });

  it("answers requests to any host of the world, while somebody outside submits work", () => {
    expect(outputOf("asker")).toEqual({ path: "/today", at: "2026-01-01T01:00:00.000Z" });
    expect(result.refused).toEqual([]);
  });
});
