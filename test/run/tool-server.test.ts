import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { defineAgent, defineTeam, defineTool, mcp } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { sleep } from "../../src/base/clock.ts";
import { macrotask } from "../../src/base/turn.ts";
import { until } from "../../src/base/fixture/until.ts";
import { PlannedServer } from "../../src/tool/fixture/plan.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

/** Virtual time goes on, with real turns for the real network in between, until the task neither is queued nor runs. */
async function untilNotRunning(team: DiskTeam, taskId: string): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    const { status } = await team.task(taskId);
    if (status !== "running" && status !== "queued") return;
    if (turn % 50 === 0) await team.advance(100);
    await macrotask();
  }
  throw new Error(`Task ${taskId} did not wait or end.`);
}

test("a tool server that cannot be reached is waited for, visibly and without a model call", async () => {
  const model = scriptedModel("done");
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [mcp({ name: "files", url: "http://127.0.0.1:9/mcp" })] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model });

  const taskId = await team.submit("reader", null);
  await untilNotRunning(team, taskId);

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "retry" });
  expect(await team.records({ eventTypes: ["retry"] })).toHaveLength(2);
  expect(await team.records({ eventTypes: ["model_call", "error"] })).toMatchObject([{ event_type: "error", result: "error", data: { code: "MCP_UNAVAILABLE", model: null } }]);
  expect(model.calls).toEqual([]);
  await team.close();
});

test("a tool server that nobody reaches is asked by nobody for a while", async () => {
  const agents = Array.from({ length: 12 }, (_, index) => defineAgent({ name: `reader-${index}`, model: "anthropic/test", instructions: "Read.", tools: [mcp({ name: "files", url: "http://127.0.0.1:9/mcp" })] }));
  const team = await openDiskTeam(defineTeam({ name: "t", agents }), { directory: directory.path, model: scriptedModel("done") });

  for (const { name } of agents) await untilNotRunning(team, await team.submit(name, null));

  expect(await team.records({ eventTypes: ["breaker"], result: "open" })).toMatchObject([{ reason: expect.stringMatching(/^MCP server files is not called for \d+ s: most calls of it failed\.$/), data: { dependency: "MCP server files" } }]);
  expect(await team.records({ eventTypes: ["task"], result: "waiting(breaker)" })).not.toEqual([]);
  await team.close();
});

const server = fileURLToPath(new URL("../../src/tool/fixture/stdio-server.ts", import.meta.url));
const fixture = mcp({ name: "fixture", command: process.execPath, args: [server] });
const echo = defineTool({ name: "echo", description: "Mine", inputSchema: z.object({}), effect: "read", execute: () => "mine" });

test("a tool of a server that has the name of another one is refused by name, before a model is told of either", async () => {
  const model = scriptedModel("done");
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [echo, fixture] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model });

  const taskId = await team.submit("reader", null);
  await until("the task has ended", async () => (await team.task(taskId)).end !== null); // The server starts in real time; virtual time stands still.

  expect((await team.task(taskId)).end).toMatchObject({ status: "dead", failure: { code: "TOOL_NAME_TAKEN", message: "reader has two tools named echo. Rename yours, or name the tools that it is to see in the server's `allow`." } });
  expect(model.calls).toEqual([]);
  await team.close();
});

test("a team that is closed leaves no process of a tool server behind", async () => {
  const model = scriptedModel([{ toolCalls: [{ toolName: "process", input: {} }] }, "done"]);
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [mcp({ name: "fixture", command: process.execPath, args: [server], effects: { process: "read" } })] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model });
  const taskId = await team.submit("reader", null);
  await until("the task has ended", async () => (await team.task(taskId)).end !== null);
  const answer = model.calls[1]?.messages.at(-1);
  const { pid } = JSON.parse(String(answer?.role === "tool" ? answer.results[0]?.value : "{}")) as { readonly pid: number };
  expect(() => process.kill(pid, 0)).not.toThrow();

  await team.close();

  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("a call of a server's tool that needs approval waits for a person, and is sent once allowed", async () => {
  const model = scriptedModel(({ messages }) => (messages.at(-1)?.role === "tool" ? JSON.stringify(messages.at(-1)) : { toolCalls: [{ toolName: "echo", input: { text: "on" }, callId: "c1" }] }));
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [mcp({ name: "fixture", command: process.execPath, args: [server], needsApproval: { echo: true }, approvalWithin: "2h" })] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model });
  const taskId = await team.submit("reader", null);
  await until("the task waits", async () => (await team.task(taskId)).status === "waiting"); // The server starts in real time; virtual time stands still.

  const { waitingReason, runId } = await team.task(taskId);
  expect(waitingReason).toBe("human");
  expect(await team.live.operations.questions()).toMatchObject([{ tool: "echo", arguments: { text: "on" }, until: new Date(team.clock.now() + 7_200_000).toISOString() }]);
  expect(await team.records({ eventTypes: ["tool_call"] })).toEqual([]);
  await team.live.operations.approve(runId ?? "", "allow");
  await until("the task has ended", async () => (await team.task(taskId)).end !== null);

  expect((await team.task(taskId)).end).toMatchObject({ status: "done", output: expect.stringContaining('"value":"on"') as string });
  expect(await team.records({ eventTypes: ["tool_call"] })).toMatchObject([{ tool_name: "echo", result: "success" }]);
  await team.close();
});

test("a server that refuses the credentials ends the task at once, names itself and what to do, and is asked no more", async () => {
  let requests = 0;
  const refusing = createServer((_, response) => {
    requests++;
    response.writeHead(401).end("no");
  });
  await new Promise<void>((resolve) => refusing.listen(0, "127.0.0.1", resolve));
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [mcp({ name: "web", url: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}/mcp` })] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model: scriptedModel("done") });
  const taskId = await team.submit("reader", null);
  await until("the task has ended", async () => (await team.task(taskId)).end !== null);
  const asked = requests;
  await team.advance(3_600_000);

  expect((await team.task(taskId)).end).toMatchObject({ status: "dead", reason: "auth", failure: { code: "MCP_UNAUTHORIZED", message: expect.stringMatching(/^MCP server web at http.* Check the `headers` of mcp\({ name: "web" }\)/) as string } });
  expect(asked).toBeLessThanOrEqual(2);
  expect(requests).toBe(asked);
  await team.close();
  refusing.closeAllConnections();
  await new Promise((resolve) => refusing.close(resolve));
});

test("of calls that a server's death interrupts, a read is made again and a once waits for a person; both have their answer in the conversation", async () => {
  const planned = new PlannedServer({ tools: [{ name: "look" }, { name: "pay" }], answer: null });
  const model = scriptedModel(({ messages }) => (messages.at(-1)?.role === "tool" ? JSON.stringify(messages.at(-1)) : { toolCalls: [{ toolName: "look", input: {}, callId: "c1" }, { toolName: "pay", input: {}, callId: "c2" }] }));
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [mcp({ name: "shop", command: planned.command, args: planned.args, effects: { look: "read" } })] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model });
  const taskId = await team.submit("reader", null);
  const calls = (name: string): number => planned.log.filter((line) => line === `tools/call ${name}`).length;
  await until("both tools were called", () => calls("look") + calls("pay") >= 2);
  planned.change({ tools: [{ name: "look" }, { name: "pay" }] });
  process.kill(planned.pids()[0] ?? 0, "SIGKILL");
  await until("the task waits", async () => (await team.task(taskId)).status === "waiting");

  const { waitingReason, runId } = await team.task(taskId);
  expect(waitingReason).toBe("unknown-effect");
  expect([calls("look"), calls("pay")]).toEqual([2, 1]);
  await team.live.operations.approve(runId ?? "", "happened", "paid", { call: "c2" });
  await until("the task has ended", async () => (await team.task(taskId)).end !== null);

  expect(calls("pay")).toBe(1);
  const { end } = await team.task(taskId);
  const { results } = JSON.parse(String(end?.status === "done" ? end.output : "{}")) as { readonly results: readonly { readonly callId: string; readonly value: unknown }[] };
  expect(results.map(({ callId, value }) => [callId, value])).toEqual([["c1", "look"], ["c2", "paid"]]);
  await team.close();
  planned.remove();
});

test("of a server with 1,000 tools a model is shown those that are allowed; without that the task waits, and says what to do", async () => {
  const planned = new PlannedServer({ tools: Array.from({ length: 1_000 }, (_, index) => ({ name: `tool_${index}`, description: "Does something." })) });
  const model = scriptedModel("done");
  const big = { name: "big", command: planned.command, args: planned.args };
  const few = defineAgent({ name: "few", model: "anthropic/test", instructions: "Read.", tools: [mcp({ ...big, allow: ["tool_7", "tool_8", "tool_9"] })] });
  const all = defineAgent({ name: "all", model: "anthropic/test", instructions: "Read.", tools: [mcp(big)] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [few, all] }), { directory: directory.path, model });
  const [fewId, allId] = [await team.submit("few", null), await team.submit("all", null)];
  // Both servers start in real time; the pauses between attempts are virtual.
  await until("the task has ended, and the tools were listed twice", async () => (await team.task(fewId)).end !== null && planned.log.filter((line) => line === "tools/list").length >= 2);
  while ((await team.task(allId)).status !== "waiting") await team.advance(100);

  expect(model.calls).toHaveLength(1);
  const [system] = model.calls[0]?.messages ?? [];
  expect(system?.role === "system" ? system.tools?.map(({ name }) => name) : []).toEqual(["tool_7", "tool_8", "tool_9"]);
  expect(await team.task(allId)).toMatchObject({ status: "waiting", waitingReason: "retry" });
  expect((await team.records({ eventTypes: ["error"] })).at(-1)).toMatchObject({ agent_id: "all", data: { code: "MCP_CATALOGUE_TOO_LARGE" }, reason: expect.stringMatching(/MCP server big has 1000 tools to show, and at most 128 .*`allow`/) as string });
  await team.close();
  planned.remove();
});

test("a tool server that a person keeps from being called is waited for by a verify that calls its tools", async () => {
  const asked: string[] = [];
  let afterAnswer = async (): Promise<void> => undefined;
  const model = scriptedModel(async () => {
    await afterAnswer();
    return "an answer";
  });
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [fixture], verify: async ({ tool, accept }) => {
    asked.push("verify");
    return accept({ said: String(await tool("echo", { text: "hello" })) });
  } });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path, model });
  afterAnswer = async () => {
    await team.live.operations.decideBreaker("MCP server fixture", { isolate: "it moves" }, "cli");
    await sleep(team.clock, 6_000);
  };

  const taskId = await team.submit("reader", null);
  await until("the model was called", () => model.calls.length > 0); // The server starts in real time; virtual time stands still.
  await untilNotRunning(team, taskId);

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "breaker" });
  expect(asked).toEqual(["verify"]);
  expect(await team.records({ eventTypes: ["error"] })).toEqual([]);
  expect(await team.records({ eventTypes: ["breaker"], result: "refused" })).toMatchObject([{ tool_name: "echo", data: { dependency: "MCP server fixture", of: "verify" } }]);
  await team.close();
});
