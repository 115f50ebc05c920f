import { afterAll, describe, expect, test } from "vitest";
import type { Json } from "../base/json.ts";
import { until } from "../base/fixture/until.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import type { NeedsApproval } from "./approval.ts";
import { startHttpFixture } from "./fixture/http-server.ts";
import { anySignal, httpSource, type SourceFixture, stdioSource } from "./fixture/source.ts";
import { mcpSource } from "./mcp.ts";
import type { McpHttpSpec, McpReconcile, McpSpec } from "./mcp-spec.ts";
import { callOptions } from "./tool.testsuite.ts";

const server = await startHttpFixture({ era: "session" });
const open: SourceFixture[] = [];

function sourceOf(more: Partial<McpHttpSpec> = {}): SourceFixture {
  const fixture = httpSource(server.url, more);
  open.push(fixture);
  return fixture;
}

afterAll(async () => {
  for (const { source } of open) await source.close();
  await server.kill();
});

async function resultOf(tool: string, input = {}): Promise<unknown> {
  return (await sourceOf().tool(tool)).call(input, callOptions());
}

describe("what an MCP server answers", () => {
  test("structured content is the value", async () => {
    expect(await resultOf("add", { a: 1, b: 2 })).toEqual({ ok: true, value: { sum: 3 } });
  });

  test("text alone is a text, other content is described by its kind and size", async () => {
    expect(await resultOf("echo", { text: "on" })).toEqual({ ok: true, value: "on" });
    expect(await resultOf("picture")).toEqual({ ok: true, value: { text: "a picture", other: [{ type: "image", mimeType: "image/png", bytes: 5 }] } });
  });

  test("no content is null", async () => {
    expect(await resultOf("nothing")).toEqual({ ok: true, value: null });
  });
});

describe("the tools of an MCP server", () => {
  test("are once unless their effect is declared", async () => {
    const tools = await sourceOf({ effects: { echo: "read", add: "idempotent", fails: { effect: "once", reconcile: () => ({ happened: "unknown" }) } } }).source.tools(anySignal);
    const effects = Object.fromEntries(tools.map((tool) => [tool.name, tool.effect]));

    expect(effects).toMatchObject({ echo: "read", add: "idempotent", fails: "once", hangs: "once" });
    expect(tools.filter((tool) => tool.reconcile !== undefined).map((tool) => tool.name)).toEqual(["fails"]);
  });

  test("with names that no model takes are shown under one that it takes, and called and declared by their own", async () => {
    const { source } = stdioSource("odd-names", { allow: ["files/echo"], effects: { "files/echo": "read" } });
    const [tool] = await source.tools(anySignal);

    expect(tool).toMatchObject({ name: "files_echo", effect: "read" });
    expect(await tool?.call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
    await source.close();
  });

  test("need approval where the server's own name, or all of it, is said to", async () => {
    const needs = async (needsApproval: true | Readonly<Record<string, NeedsApproval<Json>>>, input: Json = { text: "on" }) => {
      const { source } = sourceOf({ needsApproval, approvalWithinMs: 5_000 });
      const tools = await source.tools(anySignal);
      const asked = await Promise.all(tools.map(async ({ name, approval }) => [name, approval === undefined ? "none" : (await approval.ask(input, { taskId: "t", runId: "r", agent: "a", callId: "c", signal: anySignal })).need, approval?.withinMs] as const));
      await source.close();
      return asked.filter(([name]) => name === "echo" || name === "add");
    };

    expect(await needs(true)).toEqual([["echo", "permission", 5_000], ["add", "permission", 5_000]]);
    expect(await needs({ echo: true })).toEqual([["echo", "permission", 5_000], ["add", "none", undefined]]);
    expect(await needs({ echo: ({ text }: { readonly text: string }) => text === "on", add: false })).toEqual([["echo", "permission", 5_000], ["add", "none", undefined]]);
    expect(await needs({ echo: ({ text }: { readonly text: string }) => text === "off" })).toEqual([["echo", "none", 5_000], ["add", "none", undefined]]);
  });

  test("are only those that are allowed", async () => {
    expect((await sourceOf({ allow: ["add", "echo"] }).source.tools(anySignal)).map((tool) => tool.name).toSorted()).toEqual(["add", "echo"]);
    expect(await sourceOf({ allow: [] }).source.tools(anySignal)).toEqual([]);
  });

  test.each([{ allow: ["ech"] }, { effects: { ech: "read" } }, { needsApproval: { ech: true } }] as const)("that the server does not have are an error that lists what it has: %j", async (more) => {
    await expect(sourceOf(more).source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_TOOL_UNKNOWN", message: expect.stringMatching(/fixture has no tool ech\. It has: echo, add, /) });
  });

  test("may limit a tool to its time: connecting and one request", async () => {
    expect((await sourceOf({ connectTimeoutMs: 100, requestTimeoutMs: 50 }).tool("echo")).timeoutMs).toBe(150);
  });

  test("are listed once in a minute, again when the server says that they changed, and again after a minute", async () => {
    const own = await startHttpFixture({ era: "session" });
    const fixture = httpSource(own.url);
    const posts = (): number => own.requests.filter((request) => request.startsWith("POST s")).length;
    await fixture.source.tools(anySignal);
    const before = posts();
    await fixture.source.tools(anySignal);
    expect(posts()).toBe(before);

    await (await fixture.tool("grows")).call({}, callOptions());
    // No time passes: it is the server that says so.
    await until("the new tool is listed", async () => (await fixture.source.tools(anySignal)).some(({ name }) => name === "grown"));

    const after = posts();
    await fixture.clock.advance(60_000);
    await fixture.source.tools(anySignal);
    expect(posts()).toBe(after + 1);
    await fixture.source.close();
    await own.kill();
  });
});

describe("reconcile of an MCP tool", () => {
  const ask = async (reconcile: McpReconcile): Promise<unknown> => {
    const tool = await sourceOf({ effects: { add: "read", fails: "read", echo: { effect: "once", reconcile } } }).tool("echo");
    return tool.reconcile?.({ text: "x" }, callOptions());
  };

  test("is given the input, the key and the reading tools of the same server", async () => {
    const answer = await ask(async ({ input, idempotencyKey, call }) => {
      const [sum, failed] = [await call("add", { a: 2, b: 2 }), await call("fails", {})];
      return { happened: true, value: { input, idempotencyKey, sum: sum.ok ? sum.value : null, failed: failed.ok } };
    });

    expect(answer).toEqual({ happened: true, value: { input: { text: "x" }, idempotencyKey: "key-1", sum: { sum: 4 }, failed: false } });
  });

  test("may call nothing that changes the world, and only what is there", async () => {
    await expect(ask(async ({ call }) => ({ happened: (await call("hangs", {})).ok, value: null }))).rejects.toMatchObject({ code: "TOOL_RECONCILE_FAILED", message: expect.stringContaining('hangs of MCP server fixture is "once"') });
  });

  test("is an error when the server gives no answer, so that silence is not taken for an answer", async () => {
    const own = await startHttpFixture({ era: "session" });
    const fixture = httpSource(own.url, { effects: { add: "read", echo: { effect: "once", reconcile: async ({ call }) => ((await call("add", { a: 1, b: 1 })).ok ? { happened: true, value: 1 } : { happened: false }) } } });
    const echo = await fixture.tool("echo");
    await own.kill();

    await expect(echo.reconcile?.({ text: "x" }, callOptions())).rejects.toMatchObject({ code: "TOOL_RECONCILE_FAILED", cause: { code: "MCP_UNAVAILABLE" } });
    await fixture.source.close();
  });
});

describe("the spec of an MCP server", () => {
  test.each([
    [{ name: "", url: "http://x/" }, "name"], [{ name: "a", url: "ftp://x/" }, "url"], [{ name: "a", url: "nonsense" }, "url"], [{ name: "a", command: "" }, "command"],
    [{ name: "a", url: "http://x/", command: "x" }, "both"], [{ name: "a", url: "http://x/", connectTimeoutMs: 0 }, "connectTimeoutMs"], [{ name: "a", command: "x", requestTimeoutMs: Number.NaN }, "requestTimeoutMs"],
  ] as const)("%j is refused, naming the option", (spec, option) => {
    expect(() => mcpSource(spec as McpSpec, { clock: new VirtualClock() })).toThrow(expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringContaining(option) }));
  });
});
