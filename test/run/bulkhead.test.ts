import { McpServer } from "@modelcontextprotocol/server";
import { defineAgent, defineTeam, defineTool, mcp } from "longhaul";
import { scriptedModel, testTeam } from "longhaul/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { limiterDefaults } from "../../src/policy/scope.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/** Asks once for the tool that it has, then says what it was told. */
const model = scriptedModel(({ messages }) => {
  const [system] = messages;
  const last = messages.at(-1);
  if (last?.role === "tool") return "told";
  return { toolCalls: [{ toolName: (system?.role === "system" ? system.tools[0]?.name : undefined) ?? "", input: {} }] };
});

const tool = (name: string, execute: () => unknown, options: { readonly concurrency?: number } = {}) =>
  defineTool({ name, description: "Does it.", inputSchema: z.object({}), effect: "read", timeout: "10m", execute, ...options });

const agentsWith = (count: number, prefix: string, tools: NonNullable<Parameters<typeof defineAgent>[0]["tools"]>) =>
  Array.from({ length: count }, (_, index) => defineAgent({ name: `${prefix}-${index}`, model: "anthropic/test", instructions: "Do it.", tools }));

test.each([[3, { concurrency: 3 }], [limiterDefaults.toolConcurrency, {}]])("no more than %d calls of a tool are under way at once", async (most, options) => {
  const open: (() => void)[] = [];
  let highest = 0;
  const agents = agentsWith(most + 10, "a", [tool("slow", () => new Promise<void>((resolve) => { open.push(resolve); highest = Math.max(highest, open.length); }), options)]);
  const team = await testTeam(defineTeam({ name: "t", agents }), { models: model });
  const ids = await Promise.all(agents.map(({ name }) => team.submit(name, null)));
  await team.advance("2s");
  expect(open).toHaveLength(most);

  while ((await team.tasks({ statuses: ["running", "waiting", "queued"] })).length > 0) {
    open.shift()?.();
    await team.advance("1s");
  }

  expect(highest).toBe(most);
  expect(await Promise.all(ids.map(async (id) => (await team.task(id)).status))).toEqual(ids.map(() => "done"));
  await team.close();
});

test("a tool that hangs holds only so many runs; the others wait outside, and those of other tools go on", async () => {
  const free: (() => void)[] = [];
  const hung = agentsWith(10, "hung", [tool("hang", () => new Promise<void>((resolve) => void free.push(resolve)), { concurrency: 2 })]);
  const fine = agentsWith(10, "fine", [tool("work", () => "done")]);
  const team = await testTeam(defineTeam({ name: "t", agents: [...hung, ...fine] }), { models: model });
  const hungIds = await Promise.all(hung.map(({ name }) => team.submit(name, null)));
  const fineIds = await Promise.all(fine.map(({ name }) => team.submit(name, null)));
  const states = async (ids: readonly string[]): Promise<readonly (string | null)[]> => Promise.all(ids.map(async (id) => { const { status, waitingReason } = await team.task(id); return waitingReason ?? status; }));

  await team.settle();
  expect(await states(fineIds), "without a moment of waiting").toEqual(fineIds.map(() => "done"));

  await team.advance("6s");
  const held = await states(hungIds);
  expect(["running", "concurrency"].map((state) => held.filter((one) => one === state).length)).toEqual([2, 8]);
  expect((await team.records({ eventTypes: ["park"], limit: 1 }))[0]).toMatchObject({
    tool_name: "hang", result: "refused", reason: expect.stringMatching(/^tool hang is not called for another .*: 2 calls of it are under way, which is as many as may be\.$/), data: { account: "tool hang", limit: "concurrency", max: 2 },
  });

  for (let minute = 0; minute < 10; minute++) {
    for (const release of free.splice(0)) release();
    await team.advance("1m");
  }
  expect(await states(hungIds)).toEqual(hungIds.map(() => "done"));
  await team.close();
});

test("an MCP server that hangs does not slow the calls of another one", async () => {
  const server = (name: string, answer: () => Promise<string>) => (): McpServer => {
    const made = new McpServer({ name, version: "1.0.0" });
    made.registerTool("ask", { description: "Answers.", inputSchema: z.object({}) }, async () => ({ content: [{ type: "text", text: await answer() }] }));
    return made;
  };
  const servers: Readonly<Record<string, () => McpServer>> = { dead: server("dead", () => new Promise(() => undefined)), alive: server("alive", async () => "yes") };
  const dead = agentsWith(10, "dead", [mcp({ name: "dead", url: "http://dead.invalid/mcp", effects: { ask: "read" }, concurrency: 4 })]);
  const alive = agentsWith(10, "alive", [mcp({ name: "alive", url: "http://alive.invalid/mcp", effects: { ask: "read" } })]);
  const directory = temporaryDirectory();
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [...dead, ...alive] }), { directory: directory.path, model, mcpServerFor: (name) => servers[name] ?? null });
  for (const { name } of dead) await team.submit(name, null);
  await team.advance(100);
  const ids: string[] = [];
  for (const { name } of alive) ids.push(await team.submit(name, null));

  await team.advance(100);
  expect(await Promise.all(ids.map(async (id) => (await team.task(id)).status))).toEqual(ids.map(() => "done"));

  await team.advance(6_000);
  const waiting = await team.live.tasks.list({ statuses: ["waiting"] });
  expect(waiting.map(({ agent, waitingReason }) => `${agent.split("-")[0]} ${waitingReason}`)).toEqual(Array.from({ length: 6 }, () => "dead concurrency"));
  await team.close();
  directory.remove();
});
