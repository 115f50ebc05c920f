import { afterAll, afterEach, describe, expect, test } from "vitest";
import { macrotask } from "../base/turn.ts";
import { until } from "../base/fixture/until.ts";
import { isAlive } from "./fixture/is-alive.ts";
import { PlannedServer } from "./fixture/plan.ts";
import { anySignal, fixtureOf, type SourceFixture, stdioSource } from "./fixture/source.ts";
import { callOptions, testTool } from "./tool.testsuite.ts";

const open: SourceFixture[] = [];

function sourceOf(...args: Parameters<typeof stdioSource>): SourceFixture {
  const fixture = stdioSource(...args);
  open.push(fixture);
  return fixture;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map(({ source }) => source.close()));
});

async function pidOf(fixture: SourceFixture): Promise<number> {
  const result = await (await fixture.tool("process")).call({}, callOptions());
  return (JSON.parse(String(result.ok ? result.value : "{}")) as { readonly pid: number }).pid;
}

async function untilGone(pid: number): Promise<void> {
  await until(`process ${pid} is gone`, () => !isAlive(pid));
}

// One process for the whole contract: none of its tests ends it.
const shared = stdioSource();
afterAll(() => shared.source.close());

testTool({
  name: "mcpSource over stdio",
  create: async () => {
    const [echo, fails, hangs, huge] = await Promise.all(["echo", "fails", "hangs", "huge"].map((name) => shared.tool(name)));
    if (!echo || !fails || !hangs || !huge) throw new Error("the fixture lacks tools");
    return { clock: shared.clock, echo, fails, hangs, huge, hangLimitMs: 30_000, close: async () => undefined };
  },
});

describe("a server over stdio", () => {
  test("that is killed in mid-call makes the call unavailable, and the following call works on a new process", async () => {
    const fixture = sourceOf();
    const pid = await pidOf(fixture);
    const hangs = await fixture.tool("hangs");

    const pending = hangs.call({}, callOptions());
    await fixture.clock.advance(0);
    process.kill(pid, "SIGKILL");

    expect(await pending).toEqual({ ok: false, kind: "unavailable", message: expect.stringMatching(/hangs of MCP server fixture.*SIGKILL.*unknown/) });
    expect(await pidOf(fixture)).not.toBe(pid);
  });

  test.each(["read", "idempotent"] as const)("that is killed in the middle of a call that is %s is sent the call once more, on a new process", async (effect) => {
    const server = new PlannedServer({ tools: [{ name: "work" }], answer: null });
    const fixture = fixtureOf({ name: "fixture", command: server.command, args: server.args, effects: { work: effect } });
    open.push(fixture);
    const pending = (await fixture.tool("work")).call({}, callOptions());
    await until("the call has come", () => server.log.includes("tools/call work"));
    server.change({ tools: [{ name: "work" }] });
    process.kill(server.pids()[0] ?? 0, "SIGKILL");

    expect(await pending).toEqual({ ok: true, value: "work" });
    expect(server.log.filter((line) => line === "tools/call work")).toHaveLength(2);
    server.remove();
  });

  test("that dies at each attempt of a call that may be repeated is sent it twice, not more", async () => {
    const exits = (await sourceOf("", { effects: { exits: "read" } }).tool("exits")).call({}, callOptions());

    expect(await exits).toMatchObject({ ok: false, kind: "unavailable", message: expect.stringContaining("exit code 7") });
  });

  test("that ends its own process in mid-call is not asked again with the same call", async () => {
    const fixture = sourceOf();
    const exits = await fixture.tool("exits");

    expect(await exits.call({}, callOptions())).toMatchObject({ ok: false, kind: "unavailable", message: expect.stringContaining("exit code 7") });
    expect(await (await fixture.tool("echo")).call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
  });

  test("that died while nobody called is started again by the next call", async () => {
    const fixture = sourceOf();
    const echo = await fixture.tool("echo");
    const pid = await pidOf(fixture);
    process.kill(pid, "SIGKILL");
    await untilGone(pid);
    for (let turn = 0; turn < 50; turn++) await macrotask();

    expect(await echo.call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
  });

  test("is started once for callers that come at the same time, and only on first use", async () => {
    const fixture = sourceOf();

    const lists = await Promise.all(Array.from({ length: 10 }, () => fixture.source.tools(anySignal)));
    const tools = lists.flatMap((list) => list.filter((tool) => tool.name === "process"));
    const results = await Promise.all(tools.map((tool) => tool.call({}, callOptions())));

    expect(results).toHaveLength(10);

    expect(new Set(results.map((result) => (JSON.parse(String(result.ok ? result.value : "{}")) as { readonly pid: number }).pid)).size).toBe(1);
  });

  test("that stops answering at all is given up, killed and replaced", async () => {
    const fixture = sourceOf();
    const pid = await pidOf(fixture);
    const hangs = await fixture.tool("hangs");
    process.kill(pid, "SIGSTOP");

    const pending = hangs.call({}, callOptions());
    await fixture.clock.advance(30_000);
    expect(await pending).toMatchObject({ kind: "timeout" });
    await fixture.clock.advance(20_000);
    await untilGone(pid);

    expect(await pidOf(fixture)).not.toBe(pid);
  });

  test("that sends more than a message may hold makes the call too large, and the next call works", async () => {
    const fixture = sourceOf();
    const huge = await fixture.tool("huge");

    expect(await huge.call({ bytes: 11 * 1024 * 1024 }, callOptions())).toMatchObject({ ok: false, kind: "too-large" });
    expect(await huge.call({ bytes: 3 }, callOptions())).toEqual({ ok: true, value: "xxx" });
  });

  test("that writes plain lines to stdout and much to stderr works", async () => {
    expect(await (await sourceOf("noisy").tool("echo")).call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
  });

  test("that speaks only the newest protocol works", async () => {
    const fixture = sourceOf("modern-only");

    expect(await (await fixture.tool("echo")).call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
    expect(await (await fixture.tool("add")).call({ a: 1, b: 2 }, callOptions())).toEqual({ ok: true, value: { sum: 3 } });
  });

  test("that lists its tools in pages is read to the end", async () => {
    expect((await sourceOf("paged").source.tools(anySignal)).map((tool) => tool.name)).toEqual(["one", "two", "three"]);
  });

  test("inherits only the few variables that it needs, and those that its spec names", async () => {
    const result = await (await sourceOf("env", { env: { TOKEN: "abc" } }, { PATH: "/bin" }).tool("env")).call({}, callOptions());

    const seen = JSON.parse(String(result.ok ? result.value : "{}")) as Readonly<Record<string, string>>;
    expect(seen).toMatchObject({ PATH: "/bin", TOKEN: "abc" });
    expect(Object.keys(seen).filter((name) => !name.startsWith("__"))).toEqual(expect.arrayContaining(["PATH", "TOKEN"]));
    expect(Object.keys(seen).length).toBeLessThan(5);
  });
});

describe("connecting over stdio", () => {
  test("to a command that does not exist says so and what to check", async () => {
    await expect(sourceOf("", { command: "no-such-command-here" }).source.tools(anySignal)).rejects.toMatchObject({
      code: "MCP_UNAVAILABLE", message: expect.stringMatching(/fixture \(no-such-command-here\).*ENOENT.*Check its command/), retry: "backoff",
    });
  });

  test("to a server that crashes shows the end of its stderr and its exit code", async () => {
    const error: unknown = await sourceOf("crash").source.tools(anySignal).catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ code: "MCP_UNAVAILABLE", message: expect.stringMatching(/exit code 3.*no token in THE_TOKEN$/s) });
    expect((error as Error).message.length).toBeLessThan(9_000);
  });

  test("to a server that never answers ends at the connect timeout, and it is killed", async () => {
    const fixture = sourceOf("deaf");
    const failing = fixture.source.tools(anySignal).catch((error: unknown) => error);
    await fixture.clock.advance(10_000);
    expect(await failing).toMatchObject({ code: "MCP_UNAVAILABLE", message: expect.stringContaining("within 10 s") });

    const closing = fixture.source.close();
    await fixture.clock.advance(6_000);
    await closing;
    expect(fixture.clock.pendingAtMs).toEqual([]);
  });

  test("ends for the caller that gives up, not for the others", async () => {
    const fixture = sourceOf();
    const controller = new AbortController();
    const impatient = fixture.source.tools(controller.signal).catch((error: unknown) => error);
    const patient = fixture.source.tools(anySignal);
    controller.abort(new Error("enough"));

    expect(await impatient).toMatchObject({ message: "enough" });
    expect((await patient).length).toBeGreaterThan(5);
  });
});

describe("closing a server over stdio", () => {
  test("ends its process, makes calls in flight unavailable, and refuses later use", async () => {
    const fixture = sourceOf();
    const pid = await pidOf(fixture);
    const pending = (await fixture.tool("hangs")).call({}, callOptions());
    const echo = await fixture.tool("echo");
    await fixture.clock.advance(0);

    await fixture.source.close();

    expect(isAlive(pid)).toBe(false);
    expect(await pending).toMatchObject({ ok: false, kind: "unavailable" });
    expect(await echo.call({ text: "x" }, callOptions())).toMatchObject({ ok: false, kind: "failed", message: expect.stringMatching(/not called.*was closed/) });
    await expect(fixture.source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_CLOSED" });
    await fixture.source.close();
  });

  test("before first use starts nothing", async () => {
    const fixture = sourceOf("", { command: "no-such-command-here" });

    await fixture.source.close();
    await expect(fixture.source.tools(anySignal)).rejects.toMatchObject({ code: "MCP_CLOSED" });
  });

  test("while it connects ends the connecting", async () => {
    const fixture = sourceOf("deaf");
    const failing = fixture.source.tools(anySignal).catch((error: unknown) => error);
    await fixture.clock.advance(0);

    const closing = fixture.source.close();
    await fixture.clock.advance(6_000);
    await closing;
    expect(await failing).toMatchObject({ code: "MCP_CLOSED" });
  });
});
