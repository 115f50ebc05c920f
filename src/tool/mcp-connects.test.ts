import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { sleep, systemClock } from "../base/clock.ts";
import { macrotask } from "../base/turn.ts";
import { startHttpFixture } from "./fixture/http-server.ts";
import { stdioConnects } from "./fixture/connects.ts";
import { isAlive } from "./fixture/is-alive.ts";
import { PlannedServer } from "./fixture/plan.ts";
import { mcpSource } from "./mcp.ts";
import type { McpSpec } from "./mcp-spec.ts";
import { callOptions } from "./tool.testsuite.ts";

const connects = 500;
/** At once: each is a process that starts. */
const atOnce = 5;

/** Each after a tenth of a second. */
const looksMax = 100;

/** What keeps the event loop alive, by kind. */
function resources(): Readonly<Record<string, number>> {
  const kinds = process.getActiveResourcesInfo().filter((kind) => kind !== "CloseReq");
  return Object.fromEntries([...new Set(kinds)].toSorted().map((kind) => [kind, kinds.filter((each) => each === kind).length]));
}

/** Connects, lists, calls and closes, so often. */
async function connectAndLeave(specOf: () => McpSpec, signal: AbortSignal, times: number): Promise<void> {
  let left = times;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const source = mcpSource(specOf(), { clock: systemClock });
      const tools = await source.tools(signal);
      const tool = tools.find(({ name }) => name === "echo");
      expect(await tool?.call({ text: "on" }, { ...callOptions(), signal })).toMatchObject({ ok: true });
      await source.close();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

/** After a moment in which sockets and pipes close for good. */
async function settled(): Promise<Readonly<Record<string, number>>> {
  for (let turn = 0; turn < 200; turn++) await macrotask();
  return resources();
}

/** What there is more of than before, by more than `max`. */
function grown(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>, max = 0): object {
  return Object.fromEntries(Object.entries(after).filter(([kind, count]) => count > (before[kind] ?? 0) + max));
}

/** What there is more of for good: a socket or a pipe that is just closing is looked at again. */
async function left(before: Readonly<Record<string, number>>, max = 0): Promise<object> {
  for (let looks = 0; ; looks++) {
    const more = grown(before, await settled(), max);
    if (Object.keys(more).length === 0 || looks === looksMax) return more;
    await sleep(systemClock, 100);
  }
}

test(`${stdioConnects} connects and disconnects over stdio leave no process, pipe, timer or listener`, async () => {
  const server = new PlannedServer({ tools: [{ name: "echo" }] });
  const { signal } = new AbortController();
  const spec = (): McpSpec => ({ name: "fixture", command: server.command, args: server.args });
  await connectAndLeave(spec, signal, atOnce);
  const before = await settled();
  const listeners = process.eventNames().map((name) => [name, process.listenerCount(name)]);

  await connectAndLeave(spec, signal, stdioConnects);

  const pids = server.pids();
  expect(pids).toHaveLength(stdioConnects + atOnce);
  expect(pids.filter(isAlive)).toEqual([]);
  expect(await left(before)).toEqual({});
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  expect(process.eventNames().map((name) => [name, process.listenerCount(name)])).toEqual(listeners);
  server.remove();
}, 240_000);

test.each(["session", "stateless"] as const)(`${connects} connects and disconnects over HTTP (%s) leave no session, socket, timer or listener`, async (era) => {
  const server = await startHttpFixture({ era });
  const { signal } = new AbortController();
  await connectAndLeave(() => ({ name: "fixture", url: server.url }), signal, atOnce);
  const before = await settled();

  await connectAndLeave(() => ({ name: "fixture", url: server.url }), signal, connects);

  // Sockets are kept for the next connect, a few for all of them.
  expect(await left(before, 2 * atOnce)).toEqual({});
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  const sessionsOf = (method: string): number => new Set(server.requests.filter((request) => request.startsWith(`${method} s`))).size;
  expect(sessionsOf("DELETE")).toBe(sessionsOf("POST"));
  expect(sessionsOf("DELETE")).toBe(era === "session" ? connects + atOnce : 0);
  await server.kill();
}, 120_000);

test.each(["session", "stateless"] as const)(`${connects} calls over one HTTP connection (%s) leave no listener, timer or socket`, async (era) => {
  const server = await startHttpFixture({ era });
  const { signal } = new AbortController();
  const source = mcpSource({ name: "fixture", url: server.url }, { clock: systemClock });
  const echo = (await source.tools(signal)).find(({ name }) => name === "echo");
  await echo?.call({ text: "on" }, { ...callOptions(), signal });
  const before = await settled();
  for (let times = 0; times < connects; times++) expect(await echo?.call({ text: "on" }, { ...callOptions(), signal })).toEqual({ ok: true, value: "on" });

  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  expect(await left(before, 2)).toEqual({});
  await source.close();
  await server.kill();
});
