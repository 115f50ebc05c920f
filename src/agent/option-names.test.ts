import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineAgent } from "./agent-definition.ts";
import { endpoint } from "./model-reference.ts";
import { findClosest } from "./option-names.ts";
import { defineTeam, webhook } from "./team-definition.ts";
import { defineTool, mcp } from "./tool-definition.ts";
import { cron, every, on, poll } from "./trigger-definition.ts";
import { validateTeam } from "./validate-team.ts";

const remedyFor = (agent: object, team: object = {}): readonly string[] => {
  const agents = [defineAgent({ name: "a", model: "openai/gpt-5", instructions: "Work.", ...agent } as never)];
  return validateTeam(defineTeam({ name: "team", agents, ...team })).map(({ field, value, remedy }) => `${field} (${value}): ${remedy}`);
};
const notBuilt = "It is not built yet in this version; remove it.";
const tool = { name: "t", description: "T", inputSchema: z.object({}), effect: "read", execute: () => 1 } as const;
const polling = { poll: async () => ({ items: [] }), key: String, input: () => 1 };

describe("an option that does not exist", () => {
  // SCENARIOS S15: an option that was accepted and unused for months.
  it.each<readonly [string, readonly string[]]>([
    ["memory", remedyFor({ memory: { window: 20 } })],
    ["critical", remedyFor({ critical: true })],
    ["canary", remedyFor({ canary: 0.1 })],
    ["budget.perMonth", remedyFor({ budget: { perMonth: 5 } })],
    ["expect.objective", remedyFor({ expect: { objective: 0.99 } })],
    ["cache", remedyFor({ tools: [defineTool({ ...tool, cache: "1h" } as never)] })],
    ["retry", remedyFor({ tools: [mcp({ name: "m", url: "http://x", retry: 3 } as never)] })],
    ["triggers[0].missed", remedyFor({ triggers: [every("1m", { missed: "skip" } as never)] })],
    ["triggers[0].stagger", remedyFor({ triggers: [cron("* * * * *", { stagger: 1 } as never)] })],
    ["triggers[0].debounce", remedyFor({ triggers: [on("x", { debounce: "5s" } as never)] })],
    ["triggers[0].batch", remedyFor({ triggers: [poll("1m", { ...polling, batch: 5 } as never)] })],
    ["limiter", remedyFor({}, { endpoints: [endpoint({ name: "x", baseUrl: "http://x", limiter: 5 } as never)] })],
    ["renotify", remedyFor({}, { notify: [webhook({ url: "http://x", renotify: "4h" } as never)] })],
  ])("is refused by name when it is planned: %s", (field, remedies) => {
    expect(remedies).toEqual([expect.stringMatching(new RegExp(`^${field.replaceAll(/[[\].]/g, String.raw`\$&`)} \\(.*\\): ${notBuilt}$`))]);
  });

  it("is refused as a model too", () => {
    expect(remedyFor({ model: { kind: "cascade", models: [] } })).toEqual(['model ("cascade"): cascade() is not built yet in this version; use one model.']);
  });

  it("is refused with the closest name", () => {
    expect(remedyFor({ instruction: "x" })).toEqual(['instruction ("x"): There is no such option; did you mean instructions?']);
    expect(remedyFor({ limits: { concurency: 2 } })).toEqual(["limits.concurency (2): There is no such option; did you mean concurrency?"]);
  });

  it("is refused with all names when none is close", () => {
    expect(remedyFor({ budget: { yearly: 5 } })).toEqual(["budget.yearly (5): There is no such option; the options are perTask, perDay."]);
  });

  it("is not shown when its name says that it is secret", () => {
    expect(remedyFor({}, { endpoints: [endpoint({ name: "x", baseUrl: "http://x", apikey: "sk-123" } as never)] })).toEqual(["apikey (\"(a string)\"): There is no such option; did you mean apiKey?"]);
  });

  it("may be there when it is undefined", () => {
    expect(remedyFor({ memory: undefined, budget: undefined })).toEqual([]);
  });
});

describe("findClosest", () => {
  it("counts what was left out, added or mistaken", () => {
    expect(findClosest("verfy", ["verify", "version"])).toBe("verify");
    expect(findClosest("Trigger", ["triggers", "tools"])).toBe("triggers");
    expect(findClosest("colour", ["model", "tools"])).toBeNull();
  });
});
