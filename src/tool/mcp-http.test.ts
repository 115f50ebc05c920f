import { afterEach, describe, expect, test } from "vitest";
import { type HttpFixture, type HttpFixtureOptions, startHttpFixture } from "./fixture/http-server.ts";
import { anySignal, httpSource, type SourceFixture } from "./fixture/source.ts";
import { macrotask } from "../base/turn.ts";
import { until } from "../base/fixture/until.ts";
import type { Effect } from "./tool.ts";
import { callOptions, testTool } from "./tool.testsuite.ts";

const opened: (() => Promise<void>)[] = [];

async function serverOf(options: HttpFixtureOptions): Promise<HttpFixture> {
  const server = await startHttpFixture(options);
  opened.push(server.kill);
  return server;
}

function sourceOf(...args: Parameters<typeof httpSource>): SourceFixture {
  const fixture = httpSource(...args);
  opened.unshift(() => fixture.source.close());
  return fixture;
}

afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

/** Long enough for both ends of a loopback connection to see that it was cut. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await macrotask();
}

for (const era of ["session", "stateless"] as const) {
  testTool({
    name: `mcpSource over HTTP (${era})`,
    create: async () => {
      const server = await startHttpFixture({ era });
      const fixture = httpSource(server.url);
      const [echo, fails, hangs, huge] = await Promise.all(["echo", "fails", "hangs", "huge"].map((name) => fixture.tool(name)));
      if (!echo || !fails || !hangs || !huge) throw new Error("the fixture lacks tools");
      const close = async (): Promise<void> => {
        await fixture.source.close();
        await server.kill();
      };
      return { clock: fixture.clock, echo, fails, hangs, huge, hangLimitMs: 30_000, close };
    },
  });

  describe(`a server over HTTP (${era})`, () => {
    test("that is killed in mid-call makes the call unavailable; after its restart the following call works", async () => {
      const first = await serverOf({ era });
      const fixture = sourceOf(first.url);
      const [hangs, echo] = [await fixture.tool("hangs"), await fixture.tool("echo")];
      const pending = hangs.call({}, callOptions());
      await until("the call has come", () => first.counts.get("hangs") === 1);

      await first.kill();

      expect(await pending).toEqual({ ok: false, kind: "unavailable", message: expect.stringMatching(/hangs of MCP server fixture.*unknown/) });
      const second = await serverOf({ era, port: first.port });
      expect(await echo.call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
      expect(second.counts.get("hangs")).toBeUndefined();
    });

    test("that lives on when the connection is cut in mid-call is never sent the call again", async () => {
      const server = await serverOf({ era });
      const fixture = sourceOf(server.url);
      const [hangs, echo] = [await fixture.tool("hangs"), await fixture.tool("echo")];
      const pending = hangs.call({}, callOptions());
      await until("the call has come", () => server.counts.get("hangs") === 1);

      server.cut();
      await settle();
      await fixture.clock.advance(30_000);

      expect(await pending).toMatchObject({ ok: false, kind: expect.stringMatching(/^(timeout|unavailable)$/), message: expect.stringContaining("unknown") });
      expect(await echo.call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
      expect(server.counts.get("hangs")).toBe(1);
    });

    test("that is down fails a call and says that it was not called; once up, the same tool works", async () => {
      const first = await serverOf({ era });
      const echo = await sourceOf(first.url).tool("echo");
      await first.kill();
      await settle();

      expect(await echo.call({ text: "x" }, callOptions())).toEqual({ ok: false, kind: "failed", isUnreached: true, message: expect.stringMatching(/it was not called.*ECONNREFUSED/) });
      await serverOf({ era, port: first.port });
      expect(await echo.call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
    });

    test("that was restarted while nobody called is connected to again, unseen by the caller", async () => {
      const first = await serverOf({ era });
      const counted = await sourceOf(first.url).tool("process");
      await first.kill();
      await settle();
      const second = await serverOf({ era, port: first.port });

      expect(await counted.call({}, callOptions())).toMatchObject({ ok: true });
      expect(second.counts.get("process")).toBe(1);
    });

    test("that answers more than a message may hold makes the call too large, and the next call works", async () => {
      const huge = await sourceOf((await serverOf({ era })).url).tool("huge");

      expect(await huge.call({ bytes: 11 * 1024 * 1024 }, callOptions())).toMatchObject({ ok: false, kind: "too-large" });
      expect(await huge.call({ bytes: 3 }, callOptions())).toEqual({ ok: true, value: "xxx" });
    });

    test("is sent the headers of the spec, and no redirect is followed with them", async () => {
      const seen: unknown[] = [];
      const server = await serverOf({ era, refuse: (request) => (seen.push(request.headers["x-key"]), null) });
      await sourceOf(server.url, { headers: { "x-key": "k" } }).source.tools(anySignal);

      expect(seen.length).toBeGreaterThan(0);
      expect(new Set(seen)).toEqual(new Set(["k"]));
    });

    test.each([[503, "unavailable"], [429, "failed"]])("that answers a call with HTTP %i makes it %s, and the session lives on", async (status, kind) => {
      let refused = false;
      const server = await serverOf({ era, refuse: (request) => (refused && request.method === "POST" ? status : null) });
      const echo = await sourceOf(server.url).tool("echo");
      refused = true;
      const result = await echo.call({ text: "x" }, callOptions());
      refused = false;

      expect(result).toEqual({ ok: false, kind, message: expect.stringContaining(`HTTP ${status}`) });
      expect(await echo.call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
    });

    test.each([401, 403])("that answers HTTP %i to the connecting is not tried again before somebody mends the headers", async (status) => {
      const server = await serverOf({ era, refuse: () => status });

      await expect(sourceOf(server.url).source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_UNAUTHORIZED", retry: "never", message: expect.stringMatching(/^MCP server fixture at http:\/\/127\.0\.0\.1:\d+ .*Check the `headers` of mcp\({ name: "fixture" }\)/) });
    });

    test("that answers 404 to everything is unavailable", async () => {
      const server = await serverOf({ era, refuse: () => 404 });

      await expect(sourceOf(server.url).source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_UNAVAILABLE", retry: "backoff" });
    });
  });
}

describe("sessions over HTTP", () => {
  const forgets = async (status: number, effect: Effect, isOnlyForCalls = false) => {
    let forgotten = "";
    const server = await serverOf({ era: "session", refuse: (request, body) => (request.headers["mcp-session-id"] === forgotten && (!isOnlyForCalls || body.includes("tools/call")) ? status : null) });
    const counted = await sourceOf(server.url, { effects: { process: effect } }).tool("process");
    forgotten = String(server.requests.at(-1)?.split(" ")[1]);
    return { server, counted };
  };

  test.each(["read", "idempotent", "once"] as const)("one that the server forgot is replaced unseen by the caller, and a call that is %s is made once", async (effect) => {
    for (const status of [404, 400]) {
      const { server, counted } = await forgets(status, effect);

      expect(await counted.call({}, callOptions())).toMatchObject({ ok: true });
      expect(server.counts.get("process")).toBe(1);
      expect(new Set(server.requests.map((request) => request.split(" ")[1])).size).toBe(3);
    }
  });

  test.each(["read", "idempotent"] as const)("a call that is %s is made again when it is itself refused with 404", async (effect) => {
    const { server, counted } = await forgets(404, effect, true);

    expect(await counted.call({}, callOptions())).toMatchObject({ ok: true });
    expect(server.calls).toEqual(["process refused", "process"]);
  });

  test("a once call that is itself refused with 404 is never made again, and the following call has a new session", async () => {
    const { server, counted } = await forgets(404, "once", true);

    expect(await counted.call({}, callOptions())).toMatchObject({ ok: false, kind: "failed", message: expect.stringContaining("not called") });
    expect(server.calls).toEqual(["process refused"]);
    expect(await counted.call({}, callOptions())).toMatchObject({ ok: true });
  });

  test.each([401, 403])("credentials that are refused with HTTP %i in mid-session fail the call, naming the server and what to do, and nothing is sent again", async (status) => {
    let isOver = false;
    const server = await serverOf({ era: "session", refuse: () => (isOver ? status : null) });
    const fixture = sourceOf(server.url, { effects: { process: "read" } });
    const counted = await fixture.tool("process");
    isOver = true;
    const before = server.requests.length;

    expect(await counted.call({}, callOptions())).toEqual({ ok: false, kind: "failed", message: `Tool process of MCP server fixture: it was not called: the server refused the credentials with HTTP ${status}. Check the \`headers\` of mcp({ name: "fixture" }): its token may be missing, wrong or expired.` });
    expect(server.requests.length - before).toBe(1);
    await fixture.clock.advance(60_000);
    await expect(fixture.source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_UNAUTHORIZED", retry: "never", message: expect.stringMatching(/^MCP server fixture did not list its tools: .*Check the `headers`/) });
    expect(server.requests.length - before).toBe(2);
  });

  test("is ended at the server on close", async () => {
    const server = await serverOf({ era: "session" });
    const fixture = sourceOf(server.url);
    await fixture.source.tools(anySignal);

    await fixture.source.close();

    expect(server.requests.at(-1)).toMatch(/^DELETE s\d+$/);
  });

  test("a server that does not answer the ending delays close by its limit only", async () => {
    const server = await startHttpFixture({ era: "session" });
    const fixture = sourceOf(server.url);
    await fixture.source.tools(anySignal);
    opened.push(server.kill);
    server.stall();

    const closing = fixture.source.close();
    await fixture.clock.advance(2_000);
    await closing;
    expect(fixture.clock.pendingAtMs).toEqual([]);
  });

  test("a server that accepts and never answers ends at the connect timeout", async () => {
    const server = await serverOf({ era: "session" });
    server.stall();
    const fixture = sourceOf(server.url);
    const failing = fixture.source.tools(anySignal).catch((error: unknown) => error);
    await fixture.clock.advance(10_000);

    expect(await failing).toMatchObject({ code: "MCP_UNAVAILABLE", message: expect.stringContaining("within 10 s") });
  });
});
