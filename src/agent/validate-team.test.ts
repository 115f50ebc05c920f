import { describe, expect, it } from "vitest";
import { z } from "zod";
import { usd } from "../base/money.ts";
import { defineAgent, defineFlow } from "./agent-definition.ts";
import { endpoint } from "./model-reference.ts";
import { secret } from "./secret.ts";
import { consoleNotifier, defineTeam, webhook } from "./team-definition.ts";
import { defineTool, mcp } from "./tool-definition.ts";
import { cron, every, on, poll } from "./trigger-definition.ts";
import { assertTeam, validateTeam } from "./validate-team.ts";

const lookup = defineTool({ name: "crm_lookup", description: "Find a company", inputSchema: z.object({ name: z.string() }), effect: "read", timeout: "20s", concurrency: 8, execute: () => null });
const send = defineTool({ name: "send", description: "Send", inputSchema: z.object({}), effect: "once", execute: () => null, reconcile: async () => ({ happened: "unknown" }) });
const web = mcp({ name: "web", url: "http://127.0.0.1:9000/mcp", headers: { authorization: secret("WEB_TOKEN") }, effects: { fetch_page: "read", post: { effect: "once", reconcile: async () => ({ happened: false }) } } });
const files = mcp({ name: "files", command: "node", args: ["server.js"], env: { HOME_DIR: "data", TOKEN: secret("FILES_TOKEN", { file: "token.txt" }) }, cwd: "servers", allow: ["read_file"], connectTimeout: "5s", concurrency: 2 });

const research = {
  name: "research",
  description: "Researches a company",
  model: "anthropic/claude-sonnet-5-5",
  instructions: "Research the company.",
  prompt: () => "Go.",
  tools: [lookup, send, web, files],
  input: z.object({ company: z.string() }),
  output: z.object({ summary: z.string() }),
  verify: ({ accept }: { accept: () => unknown }) => accept(),
  verifyAttempts: 0,
  temperature: 0.2,
  providerOptions: { anthropic: { effort: "low" } },
  limits: {
    concurrency: 2, queueMax: 100, turnsMax: 5, toolCallsMax: 8, outputTokensMax: 1000, firstChunkTimeout: "15m", betweenChunksTimeout: "1m", modelCallTimeout: "30m", deadline: "2d", fanOutMax: 5,
  },
  budget: { perTask: usd(0.25), perDay: usd(5) },
  expect: { progressWithin: "2h" },
  triggers: [
    every("15m", { if: () => true, input: () => ({ company: "Acme" }), atStart: true }),
    cron("0 9 * * MON-FRI", { timezone: "Europe/Berlin", input: () => ({ company: "Acme" }) }),
    on("lead.found", { schema: z.object({ company: z.string() }) }),
    poll("5m", { poll: async () => ({ items: [] }), key: String, input: () => ({ company: "Acme" }) }),
  ],
};
const worker = { name: "worker", run: async () => 1 };

/** A sound team in which some options are replaced. What is wrong by type is the point of these tests. */
function teamWith(changes: { readonly agent?: object; readonly code?: object; readonly flow?: object; readonly team?: object }): unknown {
  const agents = [defineAgent({ ...research, ...changes.agent } as never), defineAgent({ ...worker, ...changes.code })];
  const flows = [defineFlow({ name: "flow", run: async () => 1, ...changes.flow })];
  const endpoints = [endpoint({ name: "ollama", baseUrl: "http://127.0.0.1:11434/v1", apiKey: secret("OLLAMA_KEY"), priceAs: "openai/gpt-5" })];
  const limits = { openai: { requestsPerMinute: 500, tokensPerMinute: 1_000_000, concurrency: 20 }, "openai/gpt-5.2": { concurrency: 1 } };
  const notify = [webhook({ url: "https://hooks.example.com/x", headers: { a: "b" }, signingSecret: secret("HOOK") }), webhook({ name: "pager", url: secret("PAGER_URL") }), consoleNotifier()];
  return defineTeam({ name: "prospecting", agents, flows, endpoints, notify, limits, ...changes.team });
}

const problemsOf = (...changes: Parameters<typeof teamWith>): readonly string[] => validateTeam(teamWith(...changes)).map(({ where, field, value }) => `${where}: ${field} = ${value}`);
const toolWith = (changes: object): object => ({ agent: { tools: [defineTool({ ...lookup.spec, ...changes })] } });
const mcpWith = (changes: object): object => ({ agent: { tools: [mcp({ ...web.spec, ...changes })] } });
const triggerWith = (trigger: object): object => ({ agent: { triggers: [trigger] } });

describe("validateTeam", () => {
  it("finds nothing wrong with a team that uses every option", () => {
    expect(validateTeam(teamWith({}))).toEqual([]);
  });

  it.each([undefined, null, 5, {}, { kind: "agent" }, []])("refuses %j as a team", (value) => {
    expect(validateTeam(value)).toEqual([expect.objectContaining({ where: "team", field: "default export" })]);
  });

  it.each<readonly [string, object, string]>([
    ["an agent's name", { agent: { name: "Research!" } }, 'agent Research!: name = "Research!"'],
    ["a name that two workers have", { flow: { name: "worker" } }, 'flow worker: name = "worker"'],
    ["a team's name", { team: { name: "" } }, 'team: name = ""'],
    ["a team without agents", { team: { agents: [], flows: [] } }, "team: agents = []"],
    ["a flow among the agents", { team: { agents: [defineFlow({ name: "x", run: async () => 1 })] } }, 'team: agents[0] = "flow"'],
    ["both model and run", { agent: { run: async () => 1 } }, "agent research: run = a function"],
    ["neither model nor run", { code: { run: undefined } }, "agent worker: model = missing"],
    ["a flow with a model", { flow: { model: "anthropic/x" } }, 'flow flow: model = "anthropic/x"'],
    ["tools of a code agent", { code: { tools: [] } }, "agent worker: tools = []"],
    ["empty instructions", { agent: { instructions: " " } }, 'agent research: instructions = " "'],
    ["an input that is no schema", { agent: { input: { company: "string" }, triggers: [] } }, 'agent research: input = {"company":"string"}'],
    ["an output that has no JSON Schema", { agent: { output: z.object({ at: z.date() }) } }, 'agent research: output = "zod"'],
    ["a verify that is no function", { agent: { verify: true } }, "agent research: verify = true"],
    ["a model without a provider", { agent: { model: "claude" } }, 'agent research: model = "claude"'],
    ["a model of an unknown provider", { agent: { model: "antropic/claude" } }, 'agent research: model = "antropic/claude"'],
    ["a model of an older AI SDK", { agent: { model: { specificationVersion: "v2", provider: "x", modelId: "y" } } }, 'agent research: model.specificationVersion = "v2"'],
    ["a model that is not complete", { agent: { model: { specificationVersion: "v4", provider: "x", modelId: "y" } } }, 'agent research: model = "y"'],
    ["limits of zero", { agent: { limits: { concurrency: 0 } } }, "agent research: limits.concurrency = 0"],
    ["limits without end", { agent: { limits: { turnsMax: Number.POSITIVE_INFINITY } } }, "agent research: limits.turnsMax = Infinity"],
    ["limits in parts", { agent: { limits: { outputTokensMax: 10.5 } } }, "agent research: limits.outputTokensMax = 10.5"],
    ["a deadline that is no duration", { agent: { limits: { deadline: "soon" } } }, 'agent research: limits.deadline = "soon"'],
    ["a wait for the first content that is longer than the call", { agent: { limits: { firstChunkTimeout: "11m" } } }, 'agent research: limits.firstChunkTimeout = "11m"'],
    ["a wait between contents that is longer than the call", { agent: { limits: { betweenChunksTimeout: "6m", modelCallTimeout: "5m" } } }, 'agent research: limits.betweenChunksTimeout = "6m"'],
    ["limits of an account that is not reached", { team: { limits: { mistral: { concurrency: 1 } } } }, "team: limits.mistral = \"(given)\""],
    ["limits of an account in an unknown word", { team: { limits: { openai: { rpm: 5 } } } }, "team: limits.openai.rpm = 5"],
    ["an account without requests", { team: { limits: { openai: { requestsPerMinute: 0 } } } }, "team: limits.openai.requestsPerMinute = 0"],
    ["an account with tokens without end", { team: { limits: { openai: { tokensPerMinute: 1_000_000_001 } } } }, "team: limits.openai.tokensPerMinute = 1000000001"],
    ["an account that is called by too many at once", { team: { limits: { openai: { concurrency: 1_001 } } } }, "team: limits.openai.concurrency = 1001"],
    ["limits of a team that are no object", { team: { limits: 5 } }, "team: limits = 5"],
    ["a number in place of an account's limits", { team: { limits: { openai: 5 } } }, "team: limits.openai = 5"],
    ["an expectation of nothing", { agent: { expect: { progressWithin: 0 } } }, "agent research: expect.progressWithin = 0"],
    ["money as a number", { agent: { budget: { perDay: 5 } } }, "agent research: budget.perDay = 5"],
    ["money of zero", { code: { budget: { perTask: { microUsd: 0 } } } }, 'agent worker: budget.perTask = {"microUsd":0}'],
    ["a task that costs more than a day", { agent: { budget: { perTask: usd(6), perDay: usd(5) } } }, 'agent research: budget.perTask = {"microUsd":6000000}'],
    ["attempts below zero", { agent: { verifyAttempts: -1 } }, "agent research: verifyAttempts = -1"],
    ["a temperature over 2", { agent: { temperature: Number.NaN } }, "agent research: temperature = NaN"],
    ["provider options that are no data", { agent: { providerOptions: { a: () => 1 } } }, "agent research: providerOptions = {}"],
  ])("refuses %s", (_, changes, expected) => {
    expect(problemsOf(changes)).toEqual([expected]);
  });
});

describe("validateTeam, of tools", () => {
  it.each<readonly [string, object, string]>([
    ["a tool of the AI SDK", { agent: { tools: [{ description: "x", execute: () => 1 }] } }, 'agent research: tools[0] = {"description":"x"}'],
    ["a tool's name", toolWith({ name: "crm lookup" }), 'agent research, tool crm lookup: name = "crm lookup"'],
    ["a tool with the name of the one that hands in the output", toolWith({ name: "final_answer" }), 'agent research, tool final_answer: name = "final_answer"'],
    ["a tool that nobody may call", toolWith({ concurrency: 0 }), "agent research, tool crm_lookup: concurrency = 0"],
    ["a server that too many may call", mcpWith({ concurrency: 1_001 }), "agent research, mcp web: concurrency = 1001"],
    ["two tools of one name", { agent: { tools: [lookup, lookup] } }, 'agent research, tool crm_lookup: name = "crm_lookup"'],
    ["a tool without description", toolWith({ description: "" }), 'agent research, tool crm_lookup: description = ""'],
    ["a tool whose input is no object", toolWith({ inputSchema: z.string() }), 'agent research, tool crm_lookup: inputSchema = "string"'],
    ["a tool without effect", toolWith({ effect: undefined }), "agent research, tool crm_lookup: effect = missing"],
    ["a tool with another effect", toolWith({ effect: "write" }), 'agent research, tool crm_lookup: effect = "write"'],
    ["reconcile of a tool that may be repeated", toolWith({ reconcile: async () => null }), "agent research, tool crm_lookup: reconcile = a function"],
    ["a tool's timeout", toolWith({ timeout: "2 weeks" }), 'agent research, tool crm_lookup: timeout = "2 weeks"'],
    ["a tool without code", toolWith({ execute: undefined }), "agent research, tool crm_lookup: execute = missing"],
    ["an MCP server with two transports", mcpWith({ command: "node" }), 'agent research, mcp web: url = "node"'],
    ["an MCP server without transport", mcpWith({ url: undefined, headers: undefined }), "agent research, mcp web: command = missing"],
    ["an MCP server's address", mcpWith({ url: "ftp://x" }), 'agent research, mcp web: url = "ftp://x"'],
    ["arguments of a remote MCP server", mcpWith({ args: ["x"] }), 'agent research, mcp web: args = "(given)"'],
    ["an effect of an MCP tool", mcpWith({ effects: { post: "twice" } }), 'agent research, mcp web: effects.post = "twice"'],
    ["reconcile of an MCP tool that reads", mcpWith({ effects: { get: { effect: "read", reconcile: async () => null } } }), "agent research, mcp web: effects.get.reconcile = a function"],
    ["an effect of a tool that is not allowed", mcpWith({ allow: ["a"], effects: { b: "read" } }), 'agent research, mcp web: effects.b = "read"'],
    ["an empty list of allowed tools", mcpWith({ allow: [], effects: {} }), "agent research, mcp web: allow = []"],
    ["a pin that is neither on nor off", mcpWith({ pin: "off" as unknown as boolean }), 'agent research, mcp web: pin = "off"'],
    ["a header that is neither text nor secret", mcpWith({ headers: { a: 5 } }), 'agent research, mcp web: headers.a = "(a number)"'],
  ])("refuses %s", (_, changes, expected) => {
    expect(problemsOf(changes)).toEqual([expected]);
  });
});

describe("validateTeam, of triggers", () => {
  it.each<readonly [string, object, string]>([
    ["an interval below a second", triggerWith(every("500ms", { input: () => ({ company: "" }) })), 'triggers[0].every = "500ms"'],
    ["an interval that is none", triggerWith(poll("x" as "1m", { poll: async () => ({ items: [] }), key: String, input: () => 1 })), 'triggers[0].every = "x"'],
    ["a schedule that gives no input to an agent that needs it", triggerWith(every("15m")), "triggers[0].input = missing"],
    ["a cron pattern of four fields", triggerWith(cron("0 9 * *", { input: () => 1 })), 'triggers[0].pattern = "0 9 * *"'],
    ["a cron pattern that never matches", triggerWith(cron("0 0 30 2 *", { input: () => 1 })), 'triggers[0].pattern = "0 0 30 2 *"'],
    ["a cron pattern out of range", triggerWith(cron("61 * * * *", { timezone: "Europe/Berlin", input: () => 1 })), 'triggers[0].pattern = "61 * * * *"'],
    ["a time zone that does not exist", triggerWith(cron("0 9 * * *", { timezone: "Mars/Phobos", input: () => 1 })), 'triggers[0].timezone = "Mars/Phobos"'],
    ["an event without a name", triggerWith(on("")), 'triggers[0].event = ""'],
    ["an event's schema that is none", triggerWith(on("x", { schema: {} as never })), "triggers[0].schema = {}"],
    ["a poll without key", triggerWith(poll("5m", { poll: async () => ({ items: [] }), input: () => 1 } as never)), "triggers[0].key = missing"],
    ["a trigger of another kind", triggerWith({ kind: "queue" }), 'triggers[0] = "queue"'],
  ])("refuses %s", (_, changes, expected) => {
    expect(problemsOf(changes)).toEqual([`agent research: ${expected}`]);
  });
});

describe("validateTeam, of MCP servers of one name", () => {
  const second = (changes: object): object => ({ team: { agents: [defineAgent(research as never), defineAgent({ name: "worker", model: "openai/gpt-5", instructions: "Work.", tools: [mcp({ name: "files", command: "node", args: ["server.js"], cwd: "servers", ...changes })] })] } });

  it.each([{ command: "deno" }, { args: ["other.js"] }, { cwd: "elsewhere" }, { command: undefined, args: undefined, cwd: undefined, url: "http://127.0.0.1:9000/mcp" }])("refuses two that are reached in different ways (%o): they would share pins and a breaker", (changes) => {
    expect(problemsOf(second(changes))).toEqual(['agent worker, mcp files: name = "files"']);
  });

  it("takes two agents that are shown different tools of one server", () => {
    expect(problemsOf(second({ allow: ["write_file"], effects: { write_file: "idempotent" } }))).toEqual([]);
  });
});

describe("validateTeam, of endpoints and notifiers", () => {
  it.each<readonly [string, object, string]>([
    ["an endpoint's address", { endpoints: [endpoint({ name: "x", baseUrl: "localhost:11434" })] }, 'endpoint x: baseUrl = "localhost:11434"'],
    ["a password in an endpoint's address, without showing it", { endpoints: [endpoint({ name: "x", baseUrl: "http://u:hidden@h:1/v1" })] }, 'endpoint x: baseUrl = "(an address of h:1 with a user or a password)"'],
    ["an endpoint's key in plain text, without showing it", { endpoints: [endpoint({ name: "x", baseUrl: "http://x", apiKey: "sk-123" as never })] }, 'endpoint x: apiKey = "(a string)"'],
    ["two endpoints of one name", { endpoints: [endpoint({ name: "x", baseUrl: "http://x" }), endpoint({ name: "x", baseUrl: "http://y" })] }, 'endpoint x: name = "x"'],
    ["an endpoint's wire", { endpoints: [endpoint({ name: "x", baseUrl: "http://x", wire: "google" as never })] }, 'endpoint x: wire = "google"'],
    ["two notifiers of one name", { notify: [consoleNotifier(), consoleNotifier()] }, 'notifier console: name = "console"'],
    ["a webhook's address", { notify: [webhook({ url: "slack" })] }, 'notifier webhook: url = "slack"'],
    ["a notifier of another kind", { notify: [{ kind: "email" }] }, 'notifier 0: kind = "email"'],
  ])("refuses %s", (_, team, expected) => {
    expect(problemsOf({ team })).toEqual([expected]);
  });

  it("knows the providers that the team declares", () => {
    expect(problemsOf({ agent: { model: "ollama/llama3" } })).toEqual([]);
    const [problem] = validateTeam(teamWith({ agent: { model: "olama/llama3" } }));
    expect(problem?.remedy).toContain("known are anthropic, openai, ollama. Did you mean ollama?");
  });
});

describe("assertTeam", () => {
  it("returns a sound team", () => {
    const team = teamWith({});
    expect(assertTeam(team)).toBe(team);
  });

  it("throws one error that lists every problem, a line each", () => {
    const team = teamWith({ agent: { name: "research", limits: { turnsMax: 0 }, budget: { perDay: 5 } }, flow: { verify: 1 }, team: { notify: [webhook({ url: "x" })] } });
    expect(() => assertTeam(team)).toThrow(
      expect.objectContaining({
        code: "TEAM_INVALID",
        message: [
          "The team has 4 problems:",
          "  - agent research: limits.turnsMax is 0. Use a whole number from 1 to 1000. Nothing is unlimited here.",
          "  - agent research: budget.perDay is 5. Use an amount of dollars such as usd(5), above $0.00 and at most $1000000.00.",
          "  - flow flow: verify is 1. Use a function.",
          '  - notifier webhook: url is "x". Use a full address that begins with http:// or https://.',
        ].join("\n"),
        details: { problems: expect.arrayContaining([{ where: "flow flow", field: "verify", value: "1", remedy: "Use a function." }]) },
      }),
    );
  });
});
