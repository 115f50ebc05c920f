import type { FailureCase } from "../case.ts";
import { first, minuteMs, secondMs, verified } from "./faults.ts";
import { untilAborted, type Hooks } from "../hooks.ts";
import type { ServerFaults, World } from "../world.ts";

type Strike = (servers: ServerFaults) => void | Promise<void>;

const only = { engine: "restate", because: "the embedded engine has no servers and no ways to them" } as const;

/** What is between a server that is back and the next look of whoever waits for it. */
const noticeMs = 10 * secondMs;
/** Once the server is back, nothing but the fault's own time has passed; a model call that broke off is made again. */
const back = { ...verified, backMs: [minuteMs, minuteMs + noticeMs], callsMax: 4 } as const;
const atOnce = { ...verified, backMs: [0, noticeMs], callsMax: 4 } as const;

/** What happens the first time that a point is reached. */
const at = (point: keyof Hooks, strike: Strike) => (world: World): Hooks => ({
  [point]: async ({ count }: { readonly count: number }): Promise<undefined> => {
    if (count === 1) await strike(world.servers);
  },
});

/** A server is away from a point on, for a minute. */
function away(fault: string, point: keyof Hooks, { leave, comeBack }: { readonly leave: Strike; readonly comeBack: Strike }): FailureCase {
  const play = async (world: World): Promise<void> => {
    await world.submit();
    await world.advance(minuteMs);
    await comeBack(world.servers);
  };
  return { layer: "cluster", fault, only, hooks: at(point, leave), play, expect: back };
}

const cutOff = { leave: (servers: ServerFaults) => servers.cutStore(true), comeBack: (servers: ServerFaults) => servers.cutStore(false) };
const killed = { leave: (servers: ServerFaults) => servers.stopPostgres("kill"), comeBack: (servers: ServerFaults) => servers.startPostgres() };
const withoutRestate = { leave: (servers: ServerFaults) => servers.killRestate(), comeBack: (servers: ServerFaults) => servers.startRestate() };
const uncalled = { leave: (servers: ServerFaults) => servers.cutCalls(true), comeBack: (servers: ServerFaults) => servers.cutCalls(false) };

/** PostgreSQL has committed, and the process is not told. */
const unheard = (fault: string, when: (world: World) => boolean): FailureCase => ({
  layer: "cluster", fault, only,
  play: async (world) => {
    world.servers.loseAnswer(() => when(world));
    await world.submit();
  },
  expect: atOnce,
});

/** What the servers of a cluster do, and the ways to them: what the disk is to the embedded engine. */
export const clusterCases: readonly FailureCase[] = [
  away("PostgreSQL is not reached after a read", "lookUp", cutOff),
  away("PostgreSQL is not reached after the intent of a delivery", "beforeDelivery", cutOff),
  away("PostgreSQL is not reached after a delivery, before its commit", "afterDelivery", cutOff),
  away("PostgreSQL is not reached before the end", "verify", cutOff),
  {
    layer: "cluster", fault: "PostgreSQL is not reached after a delivery, and the process dies", only,
    hooks: (world) => ({
      afterDelivery: ({ count, signal }) => {
        if (count > 1) return undefined;
        world.servers.cutStore(true);
        world.die();
        return untilAborted(signal);
      },
    }),
    expect: { ...verified, backMs: 20 * secondMs, callsMax: 3, did: ["process died"] },
  },
  away("PostgreSQL is killed after a read", "lookUp", killed),
  away("PostgreSQL is killed after a delivery, before its commit", "afterDelivery", killed),
  {
    layer: "cluster", fault: "PostgreSQL is started again in good order after a delivery", only,
    hooks: at("afterDelivery", async (servers) => {
      await servers.stopPostgres("fast");
      await servers.startPostgres();
    }),
    expect: atOnce,
  },
  unheard("the answer to the commit of a model's answer is lost", ({ calls }) => calls === 1),
  unheard("the answer to the commit of a delivery is lost", ({ outside }) => outside.deliveries.length === 1),
  unheard("the answer to the commit of the end is lost", ({ calls }) => calls === 3),
  away("Restate is killed after a read", "lookUp", withoutRestate),
  away("Restate is killed after the intent of a delivery", "beforeDelivery", withoutRestate),
  away("Restate is killed after a delivery, before its commit", "afterDelivery", withoutRestate),
  away("Restate is killed before the end", "verify", withoutRestate),
  {
    layer: "cluster", fault: "Restate is away when a rate limit ends", only, faults: first({ kind: "status", status: 429, wait: { ms: minuteMs, as: "seconds" } }),
    play: async (world) => {
      await world.submit();
      await world.advance(30 * secondMs);
      await world.servers.killRestate();
      await world.advance(minuteMs);
      await world.servers.startRestate();
    },
    expect: { ...verified, backMs: [90 * secondMs, 90 * secondMs + noticeMs], callsMax: 4, did: ["MODEL_THROTTLED", "waiting(rate-limit)"] },
  },
  away("Restate does not reach the process after a delivery", "afterDelivery", uncalled),
  {
    layer: "cluster", fault: "the power of all fails after a delivery", only,
    hooks: (world) => ({
      afterDelivery: async ({ count, signal }) => {
        if (count > 1) return undefined;
        const { servers } = world;
        const down = Promise.all([servers.stopPostgres("kill"), servers.killRestate()]);
        world.die();
        await down;
        await Promise.all([servers.startPostgres(), servers.startRestate()]);
        return await untilAborted(signal);
      },
    }),
    expect: { ...verified, backMs: [20 * secondMs, 20 * secondMs + noticeMs], callsMax: 4, did: ["process died"] },
  },
];
