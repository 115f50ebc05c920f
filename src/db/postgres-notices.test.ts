import { afterAll, expect, it } from "vitest";
import { sleep, systemClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { sharedPostgres } from "./fixture/postgres-server.ts";
import { notify } from "./postgres-notify.ts";
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

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const untilMs = systemClock.monotonicMs() + 15_000; !isSo(); await sleep(systemClock, 5)) if (systemClock.monotonicMs() > untilMs) throw new Error(`It did not come to be that ${what}.`);
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
