import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { macrotask } from "../base/turn.ts";
import { until } from "../base/fixture/until.ts";
import { anySignal, httpSource, type SourceFixture } from "./fixture/source.ts";
import { callOptions } from "./tool.testsuite.ts";

interface Message {
  readonly id?: number;
  readonly method: string;
}

/** What a server says to one method; undefined: as it should. */
type Answer = ((response: ServerResponse, message: Message) => void) | undefined;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A server of sessions, written by hand, that says to a method what `answers` has for it. */
async function serverOf(answers: Record<string, Answer>): Promise<SourceFixture & { readonly methods: readonly string[]; readonly answers: Record<string, Answer> }> {
  const methods: string[] = [];
  let sessions = 0;
  const results: Readonly<Record<string, object>> = {
    initialize: { protocolVersion: "2025-06-18", capabilities: { tools: {} }, serverInfo: { name: "raw", version: "1" } },
    "tools/list": { tools: [{ name: "work", inputSchema: { type: "object" } }] },
    "tools/call": { content: [{ type: "text", text: "done" }] },
    ping: {},
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method === "GET" && answers["GET"] !== undefined) return answers["GET"](response, { method: "GET" });
    if (request.method !== "POST") return void response.writeHead(request.method === "GET" ? 405 : 200).end();
    const message = JSON.parse(Buffer.concat(chunks).toString()) as Message;
    methods.push(message.method);
    const special = answers[message.method];
    if (special !== undefined) return special(response, message);
    if (message.id !== undefined && results[message.method] === undefined) return says(200, "application/json", JSON.stringify({ jsonrpc: "2.0", id: message.id, error: { code: -32_601, message: "no such method" } }))?.(response, message);
    if (message.id === undefined) return void response.writeHead(202).end();
    return void response.writeHead(200, { "content-type": "application/json", ...(message.method === "initialize" ? { "mcp-session-id": `s${++sessions}` } : {}) }).end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: results[message.method] }));
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const fixture = httpSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, { effects: { work: "read" } });
  open.push(async () => {
    const closing = fixture.source.close();
    await fixture.clock.advance(10_000);
    await closing;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { ...fixture, methods, answers };
}

const says = (status: number, type: string, body: string): Answer => (response) => void response.writeHead(status, { "content-type": type }).end(body);
const html = "<html><body><h1>502 Bad Gateway</h1></body></html>";

/** What a call comes to while real time goes by for the server and, where it comes to a limit, virtual time. */
async function callOf(fixture: SourceFixture, isLate = false): Promise<unknown> {
  const work = await fixture.tool("work");
  let result: unknown;
  void work.call({}, callOptions()).then((value) => (result = value));
  for (let turn = 0; result === undefined; turn++) {
    await macrotask();
    if (isLate && turn > 300) await fixture.clock.advance(1_000);
  }
  return result;
}

test.each([
  ["HTTP 500", says(500, "text/plain", "it broke"), "unavailable", "the server answered HTTP 500"],
  ["a page of a proxy", says(502, "text/html", html), "unavailable", "the server answered HTTP 502"],
  ["a page, as if all were well", says(200, "text/html", html), "failed", "its answer cannot be used"],
  ["JSON that is cut off", says(200, "application/json", '{"jsonrpc":"2.0","id":2,"resu'), "unavailable", "unknown"],
  ["JSON that is no message", says(200, "application/json", '{"hello":"world"}'), "unavailable", "unknown"],
  ["nothing", says(200, "application/json", ""), "unavailable", "unknown"],
  ["a stream that ends before the answer", says(200, "text/event-stream", ": hello\n\n"), "timeout", "unknown"],
  ["a stream that is cut in the middle of the answer", (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write('event: message\ndata: {"jsonrpc":"2.0","id":');
    void macrotask().then(() => response.destroy());
  }, "timeout", "unknown"],
] as const)("a call that is answered with %s has a result that says so, is made once, and the next call works", async (_what, answer, kind, what) => {
  const fixture = await serverOf({ "tools/call": answer });

  expect(await callOf(fixture, kind === "timeout")).toEqual({ ok: false, kind, message: expect.stringContaining(what) });
  expect(fixture.methods.filter((method) => method === "tools/call")).toHaveLength(1);
  delete fixture.answers["tools/call"];
  expect(await callOf(fixture)).toEqual({ ok: true, value: "done" });
});

test.each([["HTTP 500", says(500, "text/plain", "it broke")], ["a page", says(200, "text/html", html)], ["broken JSON", says(200, "application/json", "{{{")]] as const)("a server that answers the connecting with %s is unavailable, and is connected to when it works", async (_what, answer) => {
  const fixture = await serverOf({ initialize: answer });

  const error: unknown = await fixture.source.tools(anySignal).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "MCP_UNAVAILABLE", retry: "backoff" });
  expect((error as Error).message.length).toBeLessThan(700);
  delete fixture.answers["initialize"];
  expect(await callOf(fixture)).toEqual({ ok: true, value: "done" });
});

test("an error page without end is cut, and the call fails as with any other", async () => {
  const fixture = await serverOf({
    "tools/call": (response) => {
      response.writeHead(500, { "content-type": "text/html" });
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    },
  });

  expect(await callOf(fixture)).toEqual({ ok: false, kind: "unavailable", message: expect.stringMatching(/^.{0,700}$/) });
});

test("an event without end on a stream that lives on is not collected: the connection is given up, and the next call works", async () => {
  let sent = 0;
  let isOver = false;
  const flood = (response: ServerResponse): void => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`: first\n\n`);
    response.once("close", () => (isOver = true));
    const more = (): void => {
      while (!response.destroyed && sent < 100_000_000) {
        sent += 65_536;
        if (!response.write("x".repeat(65_536))) return void response.once("drain", more);
      }
    };
    more();
  };
  const fixture = await serverOf({ GET: flood });
  await fixture.source.tools(anySignal);
  await until("the call is over, or 100 MB are sent", () => isOver || sent >= 100_000_000);

  expect(sent).toBeGreaterThan(10_000_000);
  expect(sent).toBeLessThan(30_000_000);
  delete fixture.answers["GET"];
  expect(await callOf(fixture)).toEqual({ ok: true, value: "done" });
});

test("a list of tools that is a page of a proxy is unavailable, and the next one works", async () => {
  const fixture = await serverOf({ "tools/list": says(502, "text/html", html) });

  await expect(fixture.source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_UNAVAILABLE", retry: "backoff", message: expect.stringContaining("did not list its tools") });
  delete fixture.answers["tools/list"];
  expect(await callOf(fixture)).toEqual({ ok: true, value: "done" });
});

test("a server that calls itself by a version that nobody knows is unavailable, naming it", async () => {
  const fixture = await serverOf({ initialize: (response, { id }) => void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id, result: { protocolVersion: "1999-01-01", capabilities: {}, serverInfo: { name: "old", version: "1" } } })) });

  await expect(fixture.source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_UNAVAILABLE", message: expect.stringContaining("1999-01-01") });
});
