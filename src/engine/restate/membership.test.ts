import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { migratePostgres } from "../../db/postgres-migration.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import { createGate, until, type Gate } from "../engine-fixture.testsuite.ts";
import { restateEngineMigrations } from "./engine-migrations.ts";
import { queryRestate, sharedRestate } from "./fixture/restate-server.ts";
import { Membership } from "./membership.ts";
import { readPlace } from "./place.ts";
import { RestateClient } from "./restate-client.ts";
import { RestateEndpoint } from "./restate-endpoint.ts";
import type { RestateHandler } from "./restate-services.ts";
import { serviceNames } from "./service-names.ts";
import { isSameAddress } from "./team-address.ts";
import { listWorkers } from "./workers.ts";

const closing: (() => Promise<void>)[] = [];
let teams = 0;
let team: string;
let db: PostgresDatabase;
const notices: string[] = [];
beforeEach(async () => {
  team = `members${process.pid}x${++teams}`;
  const url = await (await sharedPostgres()).createDatabase();
  db = await PostgresDatabase.open({ url, clock: systemClock, random: systemRandom });
  closing.push(() => db.close());
  await migratePostgres(db, restateEngineMigrations);
  notices.length = 0;
  isAway = false;
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** True while calls for slots fail. */
let isAway = false;
const idle: RestateHandler = { claim: async () => (isAway ? Promise.reject(new Error("away")) : []), activate: async () => undefined, take: async () => undefined, suspended: async () => undefined, mismatched: async () => undefined, noted: async () => undefined };

/** Keeps every worker's row as it is until `held` opens. */
async function holdWorkers(held: Gate, locked: Gate): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.run("LOCK TABLE lh_worker IN SHARE MODE");
    locked.open();
    await held.opened;
  });
}

/** Where another server is found as soon as it leads there, and has each word so much later. */
async function createDoor(port: number, lateMs = 0): Promise<{ readonly uri: string; lead(): void; shut(): void }> {
  const sockets = new Set<Socket>();
  let isLeading = false;
  const door = createServer((caller) => {
    if (!isLeading) {
      caller.destroy();
      return;
    }
    const server = connect(port, "127.0.0.1");
    for (const [one, other] of [[caller, server], [server, caller]] as const) {
      sockets.add(one);
      one.on("data", (chunk) => void sleep(systemClock, one === caller ? lateMs : 0).then(() => other.write(chunk)));
      one.on("error", () => other.destroy()).on("close", () => other.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(door, "listening");
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    door.close();
    await once(door, "close");
  });
  return {
    uri: `http://127.0.0.1:${(door.address() as AddressInfo).port}`,
    lead: () => void (isLeading = true),
    shut() {
      isLeading = false;
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function client(): Promise<RestateClient> {
  return new RestateClient(await sharedRestate(), systemClock);
}

/** A worker that listens, and may join. */
async function open(lateAdmin?: string, identityKeys: readonly string[] = []): Promise<{ readonly uri: string; readonly membership: Membership }> {
  const endpoint = await RestateEndpoint.open({ team, handler: idle, host: "127.0.0.1", port: 0, recallMsMax: 100, silentMsMax: 20_000, place: await readPlace(db), identityKeys });
  closing.push(() => endpoint.close());
  const { ingress, admin } = await sharedRestate();
  const restate = { ingress, admin: lateAdmin ?? admin };
  const membership = new Membership({ team, worker: `at ${endpoint.port}`, clock: systemClock, db, restate, client: new RestateClient(restate, systemClock), identityKeys, beatMs: 100, onNotice: (text) => notices.push(text) });
  closing.push(async () => membership.stop());
  return { uri: `http://127.0.0.1:${endpoint.port}`, membership };
}

const called = async (): Promise<string> => String(await (await client()).addressOf(team));

describe("a worker that ends while it makes itself known", () => {
  it("leaves no row, says nothing more, and Restate is led to the others", async () => {
    const [first, second] = [await open(), await open()];
    await first.membership.join(first.uri, false);
    const [held, locked] = [createGate(), createGate()];
    const holding = holdWorkers(held, locked);
    await locked.opened;

    const joined = second.membership.join(second.uri, false);
    await until(async () => (await db.all("SELECT 1 FROM pg_locks WHERE NOT granted")).length > 0, "it is about to have its row");
    const left = second.membership.leave();
    held.open();
    await Promise.all([holding, joined, left]);
    await sleep(systemClock, 300);

    expect((await listWorkers(db)).map(({ uri }) => uri)).toEqual([first.uri]);
    expect(isSameAddress(await called(), first.uri)).toBe(true);
  });
});

describe("a worker that says where another team is", () => {
  it("is refused, names what is there, and leaves no row", async () => {
    const there = await RestateEndpoint.open({ team: `${team}b`, handler: idle, host: "127.0.0.1", port: 0, recallMsMax: 100, silentMsMax: 20_000 });
    closing.push(() => there.close());
    const { membership } = await open();

    const error = await membership.join(`http://127.0.0.1:${there.port}`, true).catch((error: unknown) => error);

    expect(error).toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining(`longhaul.${team}b.run`) as string });
    expect(await listWorkers(db)).toEqual([]);
  });
});

describe("a worker that says where workers of a team of the same name are, which has another database", () => {
  it("is refused, and calls go on to where the team is", async () => {
    const there = await RestateEndpoint.open({ team, handler: idle, host: "127.0.0.1", port: 0, recallMsMax: 100, silentMsMax: 20_000, place: "another" });
    closing.push(() => there.close());
    const [first, second] = [await open(), await open()];
    await first.membership.join(first.uri, true);

    const error = await second.membership.join(`http://127.0.0.1:${there.port}`, true).catch((error: unknown) => error);

    expect(error).toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("another database") as string });
    expect((await listWorkers(db)).map(({ uri }) => uri)).toEqual([first.uri]);
    expect(isSameAddress(await called(), first.uri)).toBe(true);
  });
});

describe("a worker that Restate does not find", () => {
  it("names the key when it is not that of the Restate which calls", async () => {
    const key = `publickeyv1_${"1".repeat(32)}`;
    const { uri, membership } = await open(undefined, [key]);

    await expect(membership.join(uri, true)).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringMatching(new RegExp(`^--identity-key ${key} is not .*${uri}.*: give the one`)) as string });
    expect(await listWorkers(db)).toEqual([]);
  });

  it("names where it listens, and repeats no JSON", async () => {
    const { membership } = await open();

    await expect(membership.join("http://127.0.0.1:1", false)).rejects.toMatchObject({ code: "ENGINE_UNREACHABLE", message: expect.stringMatching(/^Restate finds no worker at http:\/\/127.0.0.1:1, .*\(.*Connection refused.*\): give --listen [^{}]*$/) as string });
  });
});

describe("a worker whose row is lost", () => {
  it("has one again with its next word", async () => {
    const { uri, membership } = await open();
    await membership.join(uri, false);

    await db.run("DELETE FROM lh_worker");

    await until(async () => (await listWorkers(db)).length === 1, "it is known again");
    await membership.leave();
    expect(await listWorkers(db)).toEqual([]);
  });

  it("comes back to its place: an address that was the team's before does not become it again", async () => {
    const [before, after] = [await open(), await open()];
    await before.membership.join(before.uri, true);
    await after.membership.join(after.uri, true);
    before.membership.setDuties(true);

    await db.run("DELETE FROM lh_worker WHERE uri = $1", before.uri);

    await until(async () => (await listWorkers(db)).length === 2, "it is known again");
    expect((await listWorkers(db)).map(({ uri }) => uri)).toEqual([before.uri, after.uri]);
    await sleep(systemClock, 300);
    expect(isSameAddress(await called(), after.uri)).toBe(true);
  });

  it("has another place when its own is one that PostgreSQL, which went back to an earlier state, gives to others", async () => {
    const [first, second] = [await open(), await open()];
    await first.membership.join(first.uri, false);

    await db.exec("DELETE FROM lh_worker; ALTER SEQUENCE lh_worker_position_seq RESTART WITH 1");
    await until(async () => (await listWorkers(db)).length === 1, "it is known again");
    await second.membership.join(second.uri, false);

    expect((await listWorkers(db)).map(({ uri }) => uri)).toEqual([first.uri, second.uri]);
  });
});

describe("a worker that was killed before PostgreSQL's clock was set back", () => {
  it("does not count as alive for as long as that", async () => {
    await db.run("INSERT INTO lh_worker (name, uri, is_advertised, seen_at) VALUES ('killed', 'http://127.0.0.1:1', true, clock_timestamp() + interval '1 hour')");
    const { uri, membership } = await open();

    await membership.join(uri, false);
    membership.setDuties(true);
    await sleep(systemClock, 500);

    expect((await listWorkers(db)).map(({ name }) => name)).not.toContain("killed");
    expect(isSameAddress(await called(), uri)).toBe(true);
    expect(notices).toEqual([]);
  });
});

describe("a worker that Restate has not found yet", () => {
  it("counts for nobody: one that is at its own address is not refused, and whoever has the duties leads Restate nowhere", async () => {
    const [coming, other] = [await open(), await open()];
    const nowhere = await createDoor(Number(new URL(coming.uri).port));
    const joined = coming.membership.join(nowhere.uri, true).catch((error: unknown) => error);
    await until(() => notices.length > 0, "Restate finds nobody there");

    await other.membership.join(other.uri, false);
    other.membership.setDuties(true);
    await sleep(systemClock, 500);

    expect((await listWorkers(db)).map(({ uri }) => uri)).toEqual([other.uri]);
    expect(isSameAddress(await called(), other.uri)).toBe(true);
    expect(notices).toMatchObject([expect.stringContaining(nowhere.uri)]);

    other.membership.setDuties(false);
    nowhere.lead();
    await joined;
    expect((await listWorkers(db)).map(({ uri }) => uri)).toEqual([other.uri, nowhere.uri]);
    expect(notices[1]).toContain(`no longer ${other.uri}`);
  });

  it("counts for nobody while Restate takes its time to say so", async () => {
    const slow = await createDoor(Number(new URL((await sharedRestate()).admin).port), 500);
    slow.lead();
    const { uri, membership } = await open(slow.uri);

    const joined = membership.join(uri, false);
    for (;;) {
      const live = await listWorkers(db);
      if ((await called()) !== "null") break;
      expect(live).toEqual([]);
    }
    await joined;

    expect((await listWorkers(db)).map((worker) => worker.uri)).toEqual([uri]);
  });
});

describe("a call that was paused to be brought to another address, by a worker that died before it resumed it", () => {
  it("goes on also when its old address is the team's again", async () => {
    const [{ uri, membership }, restate] = [await open(), await sharedRestate()];
    // What it calls fails for now.
    isAway = true;
    await membership.join(uri, false);
    const slots = `${restate.ingress}/${serviceNames(team).slots}/a/dispatch/send`;
    await until(async () => (await fetch(slots, { method: "POST" })).ok, "Restate takes the call");
    const calls = async (): Promise<readonly { readonly id: string; readonly status: string }[]> => {
      const query = `SELECT id, status FROM sys_invocation WHERE target_service_name = '${serviceNames(team).slots}' AND status <> 'completed'`;
      return (await queryRestate(restate.admin, query)).map(({ id, status }) => ({ id: String(id), status: String(status) }));
    };
    await until(async () => (await calls()).some(({ status }) => status === "backing-off"), "it is tried in vain");
    const [call] = await calls();
    await fetch(`${restate.admin}/invocations/${String(call?.id)}/pause`, { method: "PATCH" });
    await until(async () => (await calls()).some(({ status }) => status === "paused"), "it is paused");
    isAway = false;

    membership.setDuties(true);

    await until(async () => (await calls()).length === 0, "it is done");
    expect(notices).toEqual([]);
  });
});

describe("a worker behind a balancer that does not know it yet", () => {
  it("is waited for", async () => {
    const { uri, membership } = await open();
    const balancer = await createDoor(Number(new URL(uri).port));

    const joined = membership.join(balancer.uri, true);
    await sleep(systemClock, 4_000);
    balancer.lead();
    await joined;

    expect(isSameAddress(await called(), balancer.uri)).toBe(true);
    expect(notices).toMatchObject([expect.stringContaining(balancer.uri)]);
  });

  it("is not waited for when it ends before", async () => {
    const { uri, membership } = await open();
    const balancer = await createDoor(Number(new URL(uri).port));

    const joined = membership.join(balancer.uri, true).catch((error: unknown) => error);
    await until(() => notices.length > 0, "it is tried again");
    await membership.leave();

    expect(await joined).toMatchObject({ code: "ENGINE_CLOSED" });
    expect(await listWorkers(db)).toEqual([]);
  });
});

describe("a worker with the duties that does not reach Restate's admin port", () => {
  it("says so once, and when it does again", async () => {
    const admin = await createDoor(Number(new URL((await sharedRestate()).admin).port));
    admin.lead();
    const { uri, membership } = await open(admin.uri);
    await membership.join(uri, false);
    membership.setDuties(true);

    admin.shut();
    await until(() => notices.length > 0, "it is said");
    await sleep(systemClock, 500);
    expect(notices).toMatchObject([expect.stringContaining(admin.uri)]);
    admin.lead();

    await until(() => notices.length === 2, "it is said that it answers");
    expect(notices[1]).toContain("again");
  });
});
