import { defineAgent, defineTeam } from "longhaul";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { checkCluster } from "../../src/cli/doctor/cluster-checks.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { RestateClient } from "../../src/engine/restate/restate-client.ts";
import { RestateEndpoint } from "../../src/engine/restate/restate-endpoint.ts";
import { openClusterView } from "../../src/runtime/cluster-view.ts";
import type { ClusterPlace } from "../../src/runtime/cluster-place.ts";
import type { LiveTeam } from "../../src/runtime/live-team.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";
import { type Balancer, createBalancer } from "./fixture/balancer.ts";

vi.setConfig({ testTimeout: 90_000 });

let place: ClusterPlace;
let name: string;
let ports: readonly [number, number];
/** Before the workers at `ports`. */
let balancer: Balancer;
const opened = new Set<LiveTeam>();
beforeEach(async () => {
  place = await clusterPlace();
  name = uniqueTeamName();
  ports = [await freePort(), await freePort()];
  balancer = await createBalancer({ targets: ports, health: "speaks" });
});
afterEach(async () => {
  for (const live of opened) await close(live);
  await balancer.close();
});

const printed: string[] = [];

async function join(port: number, uri?: string): Promise<LiveTeam> {
  const adder = defineAgent({ name: "adder", run: async (ctx, input) => ctx.step("add", () => Number(input) + 1) });
  const { live } = await openClusterTeam(defineTeam({ name, agents: [adder] }), { ...place, listen: { host: "127.0.0.1", port }, ...(uri === undefined ? {} : { uri }) }, { print: (line) => printed.push(line) });
  opened.add(live);
  await live.start();
  return live;
}

async function close(live: LiveTeam): Promise<void> {
  opened.delete(live);
  await live.close();
}

const atBalancer = (): string => `http://127.0.0.1:${balancer.port}`;
const client = (): RestateClient => new RestateClient(place.restate, systemClock);

const done = { status: "done", output: 2 };
const workMsMax = 40_000;

/** What a task of it comes to, when it ends in time. */
async function work(live: LiveTeam): Promise<unknown> {
  const { taskId } = await live.operations.submit({ agent: "adder", input: 1, source: "test" });
  return await Promise.race([live.operations.result(taskId), sleep(systemClock, workMsMax)]);
}

/** What `longhaul doctor` says of the team's address. */
async function address(): Promise<unknown> {
  const { store } = place;
  const checks = await checkCluster(() => openClusterView({ store, clock: systemClock, random: systemRandom }), {}, systemClock);
  expect(checks.filter(({ name }) => name.startsWith("Restate "))).toMatchObject([{ status: "ok" }, { status: "ok" }]);
  return checks.find((check) => check.name === "address");
}

test("a worker at an address of its own is refused while others are behind a balancer, and they go on", async () => {
  const first = await join(ports[0], atBalancer());
  await join(ports[1], atBalancer());
  const port = await freePort();

  const error = await join(port).catch((error: unknown) => error);

  expect(error).toMatchObject({ code: "OPTION_INVALID" });
  for (const text of [`http://127.0.0.1:${port}`, `--advertise ${atBalancer()}`, `pid ${process.pid}`]) expect(String(error)).toContain(text);
  expect(await work(first)).toMatchObject(done);
});

test("once the workers behind a balancer are gone, one at an address of its own may be the team's", async () => {
  const first = await join(ports[0], atBalancer());
  expect(await work(first)).toMatchObject(done);
  await close(first);

  expect(await work(await join(await freePort()))).toMatchObject(done);
});

test("a balancer's address that changes is the team's from the first worker on that gives it, and is told", async () => {
  const port = await freePort();
  const first = await join(ports[0], atBalancer());
  const next = await createBalancer({ targets: [port], health: "speaks" });
  try {
    const second = await join(port, `http://127.0.0.1:${next.port}`);
    expect(printed.join("\n")).toContain(`http://127.0.0.1:${next.port}, and no longer ${atBalancer()}`);
    await close(first);

    expect(await work(second)).toMatchObject(done);
  } finally {
    for (const live of opened) await close(live);
    await next.close();
  }
});

test("where workers have addresses of their own, Restate calls one that is there when the last that came has ended", async () => {
  const first = await join(await freePort());
  expect(await work(first)).toMatchObject(done);
  const second = await join(await freePort());
  expect(await address()).toMatchObject({ status: "warn", next: expect.stringContaining("--advertise") as string });

  await close(second);

  expect(await work(first)).toMatchObject(done);
});

test("when Restate was led to where nobody is, whoever has the duties leads it back, and says so", async () => {
  const db = await PostgresDatabase.open({ url: place.store, clock: systemClock, random: systemRandom });
  onTestFinished(() => db.close());
  const live = await join(ports[0], atBalancer());
  const port = await freePort();
  const handler = { claim: async () => [], activate: async () => undefined, take: async () => undefined, suspended: async () => undefined, mismatched: async () => undefined, noted: async () => undefined };
  const stranger = await RestateEndpoint.open({ team: name, handler, host: "127.0.0.1", port, recallMsMax: 100, silentMsMax: 20_000 });
  await db.transaction(async (tx) => {
    // Whoever has the duties looks when it has said that it lives. It cannot meanwhile.
    await tx.run("LOCK TABLE lh_worker IN SHARE MODE");
    await client().register(`http://127.0.0.1:${port}`, name);
    await stranger.close();
    expect(await address()).toMatchObject({ status: "fail", found: expect.stringContaining(`at http://127.0.0.1:${port}/, and its workers are at ${atBalancer()}`) as string });
  });

  expect(await work(live)).toMatchObject(done);
  expect(await address()).toMatchObject({ status: "ok" });
  expect(await client().addressOf(name)).toBe(`${atBalancer()}/`);
  expect(printed.join("\n")).toContain(`Restate called ${name} at http://127.0.0.1:${port}/`);
});
