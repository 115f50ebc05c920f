import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, expect, it, onTestFinished, vi } from "vitest";
import { sleep, systemClock } from "../base/clock.ts";
import { until } from "../base/fixture/until.ts";
import { seededRandom } from "../base/random.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { sharedPostgres, startPostgres } from "./fixture/postgres-server.ts";
import { PostgresNotices } from "./postgres-notices.ts";
import { notify } from "./postgres-notify.ts";
import { connectAlone } from "./postgres-pool.ts";
import { PostgresDatabase } from "./postgres.ts";

const opened: PostgresDatabase[] = [];
afterAll(() => Promise.all(opened.map((db) => db.close())));

async function open(schema: string): Promise<PostgresDatabase> {
  const server = await sharedPostgres();
  const db = await PostgresDatabase.open({ url: server.url(), schema, clock: systemClock, random: seededRandom(schema) });
  opened.push(db);
  await db.exec(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  return db;
}

function listenTo(db: PostgresDatabase, topic: string) {
  const heard: string[] = [];
  let listens = 0;
  db.listen(topic, { onNotice: (text) => heard.push(text), onListening: () => void listens++ });
  return { heard, times: () => listens };
}

it("hears what another process of the schema commits under its topic, whatever the text, and nothing else", async () => {
  const [teller, hearer, stranger] = [await open("notices_a"), await open("notices_a"), await open("notices_b")];
  const { heard, times } = listenTo(hearer, "ended");
  await until("it listens", () => times() === 1);

  await stranger.transaction((tx) => notify(tx, "ended", ["foreign"]));
  await teller.transaction((tx) => notify(tx, "due", ["1"]));
  const rolledBack = teller.transaction(async (tx) => {
    await notify(tx, "ended", ["rolled back"]);
    throw new Error("no");
  });
  await expect(rolledBack).rejects.toThrow("no");
  await teller.transaction((tx) => notify(tx, "ended", ["t_1", "a b", "with \u0000 and \ud800"]));

  await until("it has heard", () => heard.length >= 3);
  expect(heard).toEqual(["t_1", "a b", "with \u0000 and \ud800"]);
});

it("listens again when its connection was cut, and says so", async () => {
  const hearer = await open("notices_c");
  const { heard, times } = listenTo(hearer, "ended");
  await until("it listens", () => times() === 1);

  await hearer.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN longhaul_notices_c'");
  await until("it listens again", () => times() === 2);
  await hearer.transaction((tx) => notify(tx, "ended", ["later"]));

  await until("it has heard", () => heard.length > 0);
  expect(heard).toEqual(["later"]);
});

it("tells a second listener at once that nothing is missed, and hangs up when it is closed", async () => {
  const db = await open("notices_d");
  const [first, second] = [listenTo(db, "a"), listenTo(db, "b")];
  await until("both listen", () => first.times() === 1 && second.times() === 1);
  expect(listenTo(db, "c").times()).toBe(1);

  await db.close();

  const server = await sharedPostgres();
  expect(await server.query("SELECT 1 AS one FROM pg_stat_activity WHERE query = 'LISTEN longhaul_notices_d'")).toEqual([]);
});

it("asks a standby, which lets nobody listen, ever more rarely, and hears soon after it has become the primary", async () => {
  const server = await startPostgres();
  onTestFinished(() => server.close());
  const [folder] = await server.query("SHOW data_directory");
  await server.stop("fast");
  writeFileSync(join(String(folder?.["data_directory"]), "standby.signal"), "", { mode: 0o644 });
  await server.start();
  const clock = new VirtualClock();
  const db = await PostgresDatabase.open({ url: server.url(), schema: "public", clock, random: seededRandom(1) });
  onTestFinished(() => db.close());
  const sent = vi.spyOn(Client.prototype, "query");
  onTestFinished(() => sent.mockRestore());
  const tries = (): number => sent.mock.calls.filter(([text]) => text === "LISTEN longhaul_public").length;
  const { heard, times } = listenTo(db, "ended");

  const restsMs: number[] = [];
  while (restsMs.length < 16) {
    await until("it tried, and rests", () => tries() === restsMs.length + 1 && clock.nextAtMs !== undefined);
    restsMs.push(Number(clock.nextAtMs) - clock.now());
    await clock.advanceToNext();
  }
  expect(Math.max(...restsMs.slice(0, 8))).toBeLessThanOrEqual(5_000);
  expect(Math.max(...restsMs)).toBeGreaterThan(15_000);
  expect(Math.max(...restsMs)).toBeLessThanOrEqual(30_000);
  expect(times()).toBe(0);

  await server.query("SELECT pg_promote()");
  await clock.advance(30_000);
  await until("it listens", () => times() === 1);
  await server.query("SELECT pg_notify('longhaul_public', 'ended now')");
  await until("it has heard", () => heard.length === 1);
});

it("is let go by the server when its process stands still, with what its connection holds: others are not kept from theirs for as long as that lasts", async () => {
  const server = await sharedPostgres();
  const hearer = await open("notices_e");
  const clock = new VirtualClock();
  const notices = new PostgresNotices({ connect: () => connectAlone({ url: server.url(), schema: "notices_e" }), schema: "notices_e", clock, random: seededRandom(1), silentMsMax: 100 });
  onTestFinished(() => notices.close());
  const held = async (): Promise<number> => (await hearer.all("SELECT 1 AS one FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711")).length;

  let isHeld = false;
  notices.listen("ended", { onNotice: () => undefined, onListening: (run) => void run("SELECT pg_advisory_lock_shared(4711)").then(() => (isHeld = true), () => undefined) });
  // One that was too slow even for that is let go as well, and connects again.
  while (!isHeld) if (!(await clock.advanceToNext())) await sleep(systemClock, 5);

  // No time passes for it any more: it says nothing by itself, as one that was stopped.
  await vi.waitFor(async () => expect(await held()).toBe(0), { timeout: 15_000 });
});

it("connects ever more rarely while what is to last as long as its connection fails", async () => {
  const server = await sharedPostgres();
  await open("notices_f");
  const clock = new VirtualClock();
  const db = await PostgresDatabase.open({ url: server.url(), schema: "notices_f", clock, random: seededRandom(1) });
  onTestFinished(() => db.close());
  let times = 0;
  db.listen("ended", { onNotice: () => undefined, onListening: (run) => void run("SELECT 1 / 0").catch(() => times++) });

  const restsMs: number[] = [];
  while (restsMs.length < 12) {
    await until("it failed, and rests", () => times === restsMs.length + 1 && clock.nextAtMs !== undefined && clock.nextAtMs - clock.now() < 30_000);
    restsMs.push(Number(clock.nextAtMs) - clock.now());
    await clock.advanceToNext();
  }
  expect(Math.max(...restsMs)).toBeGreaterThan(1_000);
});
