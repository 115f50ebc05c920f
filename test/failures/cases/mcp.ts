import type { FailureCase } from "../case.ts";
import type { Hooks } from "../hooks.ts";
import { untilAborted } from "../hooks.ts";
import type { World } from "../world.ts";
import { hourMs, minuteMs, secondMs, soon, verified } from "./faults.ts";

/** A request waits 30 s for its answer, and a server that said nothing is asked for a sign of life. */
const requestMs = 30 * secondMs;

const http = (fault: string, hooks: (world: World) => Hooks, expect: FailureCase["expect"], play?: FailureCase["play"]): FailureCase => ({ layer: "mcp", fault, mcp: "http", hooks, expect, ...(play === undefined ? {} : { play }) });

/** What happens the first time that a point is reached; the answer goes on unless the strike replaces it. */
const once = (strike: (signal: AbortSignal) => unknown) => ({ count, signal }: { readonly count: number; readonly signal: AbortSignal }): unknown => (count === 1 ? strike(signal) : undefined);

/** The server dies in the call, and is back before anybody asks again. */
const restart = (world: World) => once(async (signal) => {
  await world.warehouse.stop();
  await world.warehouse.start();
  return untilAborted(signal);
});
const cut = (world: World) => once((signal) => {
  world.warehouse.cut();
  return untilAborted(signal);
});
const hang = () => once((signal) => untilAborted(signal));
const text = (value: string, isError = false): unknown => ({ content: [{ type: "text", text: value }], isError });

/** The server refuses every request until the virtual time is over. */
const refusing = (status: number, forMs: number) => async (world: World): Promise<void> => {
  world.warehouse.refuse(status);
  await world.submit();
  await world.advance(forMs);
  world.warehouse.refuse(null);
};

/** The tools over MCP, by the real client and a real server. */
export const mcpCases: readonly FailureCase[] = [
  http("none, for comparison", () => ({}), { ...verified, backMs: 0, callsMax: 3 }),
  http("a read answers with an error", () => ({ lookUp: once(() => text("the shelf list is locked", true)) }), { ...verified, backMs: 0, callsMax: 4, did: ["look_up failed"] }),
  http("a read answers nothing", () => ({ lookUp: once(() => ({ content: [] })) }), { ...verified, backMs: 0, callsMax: 4 }),
  http("a read answers a picture", () => ({ lookUp: once(() => ({ content: [{ type: "image", data: "AAAA", mimeType: "image/png" }] })) }), { ...verified, backMs: 0, callsMax: 4 }),
  http("a read answers 3 MB", () => ({ lookUp: once(() => text("x".repeat(3_000_000))) }), { ...verified, backMs: 0, callsMax: 4, did: ["look_up failed"] }),
  http("a read answers what is no result", () => ({ lookUp: once(() => ({ content: "shelf 7" })) }), { ...verified, backMs: 0, callsMax: 4, did: ["look_up failed"] }),
  http("a read is never answered", () => ({ lookUp: hang() }), { ...verified, backMs: [requestMs, 2 * requestMs], callsMax: 4, did: ["look_up failed"] }),
  http("the connection is cut in a read", (world) => ({ lookUp: cut(world) }), { ...verified, backMs: [0, 2 * requestMs], callsMax: 4, did: ["look_up failed"] }),
  http("the server dies in a read and comes back", (world) => ({ lookUp: restart(world) }), { ...verified, backMs: [0, 2 * requestMs], callsMax: 3 }),
  http("a delivery answers with an error before it is made", () => ({ beforeDelivery: once(() => text("the gate is closed", true)) }), { ...verified, backMs: 0, callsMax: 4, did: ["deliver failed"] }),
  http("a delivery answers with an error after it is made", () => ({ afterDelivery: once(() => text("the printer is broken", true)) }), { ...verified, backMs: 0, callsMax: 3 }),
  http("a delivery is never answered", () => ({ afterDelivery: hang() }), { ...verified, backMs: [requestMs, 2 * requestMs], callsMax: 3 }),
  http("the connection is cut after a delivery", (world) => ({ afterDelivery: cut(world) }), { ...verified, backMs: [0, 2 * requestMs], callsMax: 3 }),
  http("the server dies after a delivery and comes back", (world) => ({ afterDelivery: restart(world) }), { ...verified, backMs: [0, 2 * requestMs], callsMax: 3 }),
  http("the server dies before a delivery and comes back", (world) => ({ beforeDelivery: restart(world) }), { ...verified, backMs: [0, 2 * requestMs], callsMax: 4 }),
  http("the team's process dies after a delivery", (world) => ({
    afterDelivery: once((signal) => {
      world.die();
      return untilAborted(signal);
    }),
  }), { ...verified, backMs: 20 * secondMs, callsMax: 3, did: ["process died"] }),
  http("503 for ten minutes", () => ({}), { ...verified, backMs: [10 * minuteMs, hourMs], callsMax: 3, did: ["MCP_UNAVAILABLE", "waiting"] }, refusing(503, 10 * minuteMs)),
  http("401 to all", () => ({}), { end: "dead(auth)", deliveries: 0, backMs: 0, callsMax: 0, did: ["MCP_UNAUTHORIZED"] }, refusing(401, 0)),
  http("nobody listens for ten minutes", () => ({}), { ...verified, backMs: [10 * minuteMs, hourMs], callsMax: 3, did: ["MCP_UNAVAILABLE", "waiting"] }, async (world) => {
    await world.warehouse.stop();
    await world.submit();
    await world.advance(10 * minuteMs);
    await world.warehouse.start();
  }),
  { layer: "mcp", fault: "stdio: none, for comparison", mcp: { stdio: "none" }, expect: { ...verified, backMs: soon, callsMax: 3 } },
  { layer: "mcp", fault: "stdio: writes what is no message", mcp: { stdio: "noise" }, expect: { ...verified, backMs: soon, callsMax: 3 } },
  { layer: "mcp", fault: "stdio: ends as it starts", mcp: { stdio: "start" }, expect: { ...verified, backMs: soon, callsMax: 3 } },
  { layer: "mcp", fault: "stdio: ends in a read", mcp: { stdio: "lookUp" }, expect: { ...verified, backMs: soon, callsMax: 3 } },
  { layer: "mcp", fault: "stdio: ends before a delivery", mcp: { stdio: "beforeDelivery" }, expect: { ...verified, backMs: soon, callsMax: 4 } },
  { layer: "mcp", fault: "stdio: ends after a delivery", mcp: { stdio: "afterDelivery" }, expect: { ...verified, backMs: soon, callsMax: 3 } },
];
