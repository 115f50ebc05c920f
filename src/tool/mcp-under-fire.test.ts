import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, test } from "vitest";
import { macrotask } from "../base/turn.ts";
import { sleep, systemClock } from "../base/clock.ts";
import { until } from "../base/fixture/until.ts";
import { isAlive } from "./fixture/is-alive.ts";
import { PlannedServer, type PlannedTool, type ServerPlan } from "./fixture/plan.ts";
import { anySignal, fixtureOf, type SourceFixture } from "./fixture/source.ts";
import type { McpStdioSpec } from "./mcp-spec.ts";
import { toolResultBytesMax } from "./tool.ts";
import { callOptions } from "./tool.testsuite.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

/** A server that does not end by itself is killed, and looked after, by virtual time. */
async function closed({ source, clock }: SourceFixture): Promise<void> {
  let isClosed = false;
  const closing = source.close().then(() => (isClosed = true));
  while (!isClosed) await clock.advance(500);
  await closing;
}

/** The bytes that are held once nothing is under way: timers that were given up are let go when their time comes. */
async function heldBytes({ clock }: SourceFixture): Promise<number> {
  await clock.advance(60_000);
  let held = Number.POSITIVE_INFINITY;
  // Buffers are given back some time after they were collected.
  for (let round = 0; round < 10; round++) {
    for (let turn = 0; turn < 20; turn++) await macrotask();
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    held = Math.min(held, heapUsed + external);
  }
  return held;
}

/** A source whose server behaves by the plan. */
function serverOf(plan: ServerPlan, more: Partial<McpStdioSpec> = {}): SourceFixture & { readonly server: PlannedServer } {
  const server = new PlannedServer(plan);
  const fixture = fixtureOf({ name: "fixture", command: server.command, args: server.args, ...more });
  open.push(async () => {
    await closed(fixture);
    server.remove();
  });
  return { ...fixture, server };
}

const tool: PlannedTool = { name: "work", description: "Works." };
const toolsOf = (count: number, description = "Does something."): readonly PlannedTool[] => Array.from({ length: count }, (_, index) => ({ name: `tool_${index}`, description }));

describe("a huge catalogue", () => {
  test("of 1,000 tools is refused with the server, the count and the remedy", async () => {
    await expect(serverOf({ tools: toolsOf(1_000) }).source.tools(anySignal)).rejects.toMatchObject({
      code: "MCP_CATALOGUE_TOO_LARGE", retry: "backoff", message: "MCP server fixture has 1000 tools to show, and at most 128 of a server are shown. Name the tools that the agent needs in `allow`.",
    });
  });

  test("of 1,000 tools of which 3 are allowed costs what 3 cost: nothing is listed, made or compared again from turn to turn", async () => {
    const { source, server } = serverOf({ tools: toolsOf(1_000) }, { allow: ["tool_7", "tool_8", "tool_9"] });
    const first = await source.tools(anySignal);
    for (let turn = 0; turn < 100; turn++) expect(await source.tools(anySignal)).toBe(first);

    expect(first.map(({ name }) => name)).toEqual(["tool_7", "tool_8", "tool_9"]);
    expect(server.log.filter((line) => line === "tools/list")).toHaveLength(1);
  });

  test("of few tools with large schemas is refused with their size", async () => {
    await expect(serverOf({ tools: toolsOf(3, "x".repeat(100_000)) }, { allow: ["tool_0", "tool_1", "tool_2"] }).source.tools(anySignal)).rejects.toMatchObject({
      code: "MCP_CATALOGUE_TOO_LARGE", message: expect.stringMatching(/^MCP server fixture has 3 tools to show whose descriptions and schemas take 300\d\d\d bytes, over the limit of 262144\. Name fewer tools in `allow`\.$/),
    });
  });

  test.each([{ title: "x".repeat(300_000) }, { annotations: { title: "x".repeat(300_000) } }])("of a tool whose title or annotations are large is refused like one of a large description: they are shown, or kept", async (large) => {
    await expect(serverOf({ tools: [{ name: "work", ...large }] }).source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_CATALOGUE_TOO_LARGE", message: expect.stringContaining("over the limit of 262144") as string });
  });

  test("whose pages never end is read to its limit", async () => {
    const { source, server } = serverOf({ tools: toolsOf(5), endless: true });

    await expect(source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_CATALOGUE_TOO_LARGE", message: expect.stringContaining("lists its tools in more than 100 pages") });
    expect(server.log.filter((line) => line === "tools/list")).toHaveLength(101);
  });
});

describe("a huge result", () => {
  const textOf = (bytes: number): ServerPlan => ({ tools: [tool], answer: { result: { content: [{ type: "text", text: "x".repeat(bytes) }] } } });

  test("of 10 MB is an error result that says the size and the limit, and its memory is given back", async () => {
    const fixture = serverOf(textOf(10_000_000), { effects: { work: "read" } });
    const work = await fixture.tool("work");
    expect(await work.call({}, callOptions())).toEqual({ ok: false, kind: "too-large", message: `Tool work ran, but its result is 10000002 bytes of JSON, over the limit of ${toolResultBytesMax} bytes. Ask for a part of it, or have it stored and return a reference.` });
    const before = await heldBytes(fixture);
    for (let times = 0; times < 10; times++) await work.call({}, callOptions());

    expect((await heldBytes(fixture)) - before, "of 100 MB that came").toBeLessThan(30_000_000);
  });

  test("just under the limit passes", async () => {
    const bytes = toolResultBytesMax - 2;
    expect(await (await serverOf(textOf(bytes)).tool("work")).call({}, callOptions())).toEqual({ ok: true, value: "x".repeat(bytes) });
    expect(await (await serverOf(textOf(bytes + 1)).tool("work")).call({}, callOptions())).toMatchObject({ ok: false, kind: "too-large" });
  });
});

describe("nesting without end", () => {
  test("of a result is an error result, and the next call works", async () => {
    const fixture = serverOf({ tools: [tool], answer: { nested: 100_000 } });
    const work = await fixture.tool("work");

    expect(await work.call({}, callOptions())).toMatchObject({ ok: false, kind: expect.stringMatching(/^(not-json|failed)$/) });
    fixture.server.change({ tools: [tool] });
    expect(await work.call({}, callOptions())).toEqual({ ok: true, value: "work" });
  });

  test.each([[600, /nested deeper than 500 levels/], [4_000, /nested deeper than 500 levels/], [100_000, /did not list its tools/]])("of %i levels of a schema is refused", async (schemaDepth, message) => {
    await expect(serverOf({ schemaDepth }).source.tools(anySignal)).rejects.toMatchObject({ code: expect.stringMatching(/^MCP_(UNAVAILABLE|CATALOGUE_TOO_LARGE)$/), message: expect.stringMatching(message) });
  });
});

describe("garbage on stdout", () => {
  const base64 = (text: string | Buffer): string => Buffer.from(text).toString("base64");

  test.each([
    ["before the handshake", { first: { text: "Loading model…\r\n{\"level\":\"info\"}\n\n", times: 3 } }],
    ["between messages", { beforeAnswer: { base64: base64("warning: deprecated\n[1, 2]\nnull\n"), times: 3 } }],
    ["in binary", { beforeAnswer: { base64: base64(Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), Buffer.from("\n")])), times: 3 } }],
    ["in 100,000 lines", { beforeAnswer: { base64: base64("debug line\n".repeat(1_000)), times: 100 } }],
  ] as const)("%s is left out", async (_where, plan) => {
    expect(await (await serverOf({ tools: [tool], ...plan }).tool("work")).call({}, callOptions())).toEqual({ ok: true, value: "work" });
  });

  test("within a message costs the call its answer, at its time limit, and the message shows the first bytes", async () => {
    const fixture = serverOf({ tools: [tool], answer: { raw: '{"jsonrpc":"2.0","id":3,"res\u001b[2Jprogress 50%\nult":{"content":[]}}\n' } });
    const pending = (await fixture.tool("work")).call({}, callOptions());
    await until("it wrote", () => fixture.server.log.includes("wrote"));
    await sleep(systemClock, 200);
    await fixture.clock.advance(30_000);

    expect(await pending).toEqual({ ok: false, kind: "timeout", message: expect.stringMatching(/took effect is unknown.*The server wrote to stdout 2 lines that are no message, the first: "{\\"jsonrpc\\":\\"2\.0\\",\\"id\\":3,\\"res\\u001b\[2Jprogress 50%"\.$/) });
    fixture.server.change({ tools: [tool] });
    expect(await (await fixture.tool("work")).call({}, callOptions())).toEqual({ ok: true, value: "work" });
  });

  test("in place of the protocol fails the connecting, with the first bytes", async () => {
    const fixture = serverOf({ mute: "initialize", first: { text: "Usage: server --stdio\n", times: 1 } });
    const failing = fixture.source.tools(anySignal).catch((error: unknown) => error);
    await until("it was asked to begin", () => fixture.server.log.includes("initialize"));
    await sleep(systemClock, 200);
    await fixture.clock.advance(10_000);

    expect(await failing).toMatchObject({ code: "MCP_UNAVAILABLE", message: expect.stringContaining('It wrote to stdout 1 line that are no message, the first: "Usage: server --stdio".') });
  });

  test("of 100 MB without a line break ends the server with the first bytes, and takes no memory", async () => {
    const fixture = serverOf({ tools: [tool], beforeAnswer: { base64: base64("A".repeat(1_000_000)), times: 100 } });
    const work = await fixture.tool("work");
    const before = await heldBytes(fixture);
    const result = await work.call({}, callOptions());
    const [pid = 0] = fixture.server.pids();

    expect(result).toEqual({ ok: false, kind: "unavailable", message: expect.stringMatching(/line, no message, of more than 10485760 bytes, beginning with "A{200}"/) });
    expect((await heldBytes(fixture)) - before, "of 100 MB that came").toBeLessThan(30_000_000);
    await until("the server is gone", () => !isAlive(pid));
    fixture.server.change({ tools: [tool] });
    expect(await work.call({}, callOptions())).toEqual({ ok: true, value: "work" });
  });
});

describe("a server that hangs", () => {
  test("at the list of its tools ends at the request's time limit", async () => {
    const fixture = serverOf({ mute: "tools/list" });
    const failing = fixture.source.tools(anySignal).catch((error: unknown) => error);
    await until("it was asked for its tools", () => fixture.server.log.includes("tools/list"));
    await fixture.clock.advance(30_000);

    expect(await failing).toMatchObject({ code: "MCP_UNAVAILABLE", retry: "backoff", message: expect.stringMatching(/fixture did not list its tools: it did not answer within 30 s/) });
  });

  test("at a call is told that nobody waits for it any more, and is asked for a sign of life", async () => {
    const fixture = serverOf({ tools: [tool], answer: null });
    const pending = (await fixture.tool("work")).call({}, callOptions());
    await until("the call has come", () => fixture.server.log.includes("tools/call work"));
    await fixture.clock.advance(30_000);

    expect(await pending).toMatchObject({ ok: false, kind: "timeout" });
    await until("it was asked for a sign of life", () => fixture.server.log.includes("ping"));
    expect(fixture.server.log).toContainEqual(expect.stringMatching(/^notifications\/cancelled \d+$/));
    expect(fixture.server.pids()).toHaveLength(1);
  });

  test("at a call that is given up is told so at once", async () => {
    const fixture = serverOf({ tools: [tool], answer: null });
    const controller = new AbortController();
    const pending = (await fixture.tool("work")).call({}, { ...callOptions(), signal: controller.signal });
    await until("the call has come", () => fixture.server.log.includes("tools/call work"));
    controller.abort(new Error("the task was canceled"));

    expect(await pending).toEqual({ ok: false, kind: "canceled", message: "The call of tool work was canceled: the task was canceled" });
    await until("it was told", () => fixture.server.log.some((line) => line.startsWith("notifications/cancelled ")));
  });
});

describe("what a server says is wrong", () => {
  test.each([
    [{ error: { code: -32_602, message: "no such field" } }, "invalid-input", "the server refused its input"],
    [{ error: { code: -32_601, message: "no such method" } }, "failed", "no such method"],
    [{ error: { code: -32_603, message: "it broke" } }, "failed", "it broke"],
    [{ error: { code: -32_000, message: "of its own" } }, "failed", "of its own"],
    [{ error: { code: 7, message: "odd" } }, "failed", "odd"],
    [{ result: { content: [{ type: "text", text: "the disk is full" }], isError: true } }, "failed", "the disk is full"],
    [{ result: { content: "no list" } }, "failed", "cannot be used"],
    [{ result: { content: [{ type: "hologram", size: 1 }] } }, "failed", "cannot be used"],
  ] as const)("%j is %s", async (answer, kind, what) => {
    const fixture = serverOf({ tools: [tool], answer });

    expect(await (await fixture.tool("work")).call({}, callOptions())).toEqual({ ok: false, kind, message: expect.stringContaining(what) });
    expect(fixture.server.log.filter((line) => line === "tools/call work")).toHaveLength(1);
  });

  test("a protocol version that nobody knows fails the connecting, naming it", async () => {
    await expect(serverOf({ tools: [tool], version: "1999-01-01" }).source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_UNAVAILABLE", message: expect.stringContaining("1999-01-01") });
  });
});

describe("the processes of a server", () => {
  test("are all ended when it ignores the end of its stdin and SIGTERM, after 4 s", async () => {
    const fixture = serverOf({ tools: [tool], stubborn: true, grandchild: true });
    await fixture.tool("work");
    await until("the server has its child", () => fixture.server.pids("child").length === 1);
    const pids = [...fixture.server.pids(), ...fixture.server.pids("child")];
    const closing = fixture.source.close();
    await fixture.clock.advance(3_900);
    expect(pids.map(isAlive)).toEqual([true, true]);

    await fixture.clock.advance(100);
    await until("both processes are gone", () => !pids.some(isAlive));
    await fixture.clock.advance(100);
    await closing;
    expect(fixture.clock.pendingAtMs).toEqual([]);
  });

  test("that it left behind when it ended, or was killed in mid-call, are ended too", async () => {
    for (const end of ["close", "kill"] as const) {
      const fixture = serverOf({ tools: [tool], answer: null, grandchild: true });
      const work = await fixture.tool("work");
      await until("the server has its child", () => fixture.server.pids("child").length === 1);
      const [grandchild = 0] = fixture.server.pids("child");
      const pending = work.call({}, callOptions());
      await until("the call has come", () => fixture.server.log.includes("tools/call work"));
      if (end === "close") void fixture.source.close();
      else {
        const [server = 0] = fixture.server.pids();
        process.kill(server, "SIGKILL");
        // Virtual time passes when its death is known, not before.
        await until("the server is gone", () => !isAlive(server));
      }
      await until("the child is gone", async () => {
        await fixture.clock.advance(100);
        return !isAlive(grandchild);
      });

      expect(await pending).toMatchObject({ ok: false, kind: "unavailable" });
    }
  });
});
