import { afterEach, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import { OpenedStores } from "./fixture/opened-stores.ts";
import { dropWeeksBefore } from "./partitions.ts";
import type { PostgresStore } from "./postgres-store.ts";

const dayMs = 86_400_000;
const weekMs = 7 * dayMs;
/** A Thursday: weeks are counted from the epoch, which was one. */
const startAtMs = Date.UTC(2026, 0, 15);

const stores = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
afterEach(() => stores.closeAll());

function at(id: string, atMs: number): Write {
  return { type: "record", record: toLogRecord(id, atMs, "team", { event_type: "task", data: { long: id.repeat(3_000) } }) };
}

async function placesOf(db: PostgresDatabase): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const rows = await db.all("SELECT tableoid::regclass::text AS place, id FROM lh_record ORDER BY position");
  return Object.groupBy(rows.map((row) => ({ place: String(row["place"]).replace("lh_record_", ""), id: row["id"] })), ({ place }) => place) as never;
}

async function idsByPlace(db: PostgresDatabase): Promise<Readonly<Record<string, unknown>>> {
  return Object.fromEntries(Object.entries(await placesOf(db)).map(([place, rows]) => [place, (rows as readonly { readonly id: unknown }[]).map(({ id }) => id)]));
}

it("keeps each record in its week, and what lies in none in the default", async () => {
  const { store, db } = await stores.open({ storeClock: new VirtualClock(startAtMs + dayMs) });
  await store.prepareRecords();

  await store.write([at("a", startAtMs), at("b", startAtMs + weekMs - 1), at("c", startAtMs + weekMs), at("d", startAtMs + 3 * weekMs), at("e", startAtMs - 1)]);

  expect(await idsByPlace(db)).toEqual({ "20260115": ["a", "b"], "20260122": ["c"], default: ["d", "e"] });
});

it("moves what came before its week was made, unchanged and in its place of the log", async () => {
  const clock = new VirtualClock(startAtMs);
  const { store, db } = await stores.open({ storeClock: clock });
  await store.write([at("a", startAtMs + 1), at("old", startAtMs - weekMs), at("b", startAtMs + weekMs + 1)]);
  const before = await store.records.query({});

  await store.prepareRecords();
  await store.write([at("a", startAtMs + 1), at("b", startAtMs + weekMs + 1)]);

  expect(await idsByPlace(db)).toEqual({ "20260115": ["a"], "20260122": ["b"], default: ["old"] });
  expect(await store.records.query({})).toEqual(before);
  await expect(db.run("UPDATE lh_record_20260115 SET result = 'success'")).rejects.toThrow("a record never changes");
});

it("makes each week once, however many processes prepare it while records are written", async () => {
  const storeClock = new VirtualClock(startAtMs);
  const first = await stores.open({ storeClock });
  const others = await Promise.all([1, 2, 3].map(() => stores.open({ storeClock, schema: first.db.schema })));
  const writing = Promise.all(Array.from({ length: 30 }, (_, index) => first.store.write([at(`x${index}`, startAtMs + index * dayMs)])));

  await Promise.all(others.map(({ store }) => store.prepareRecords()));
  await writing;

  expect(await first.db.get("SELECT count(*) AS count FROM pg_inherits WHERE inhparent = 'lh_record'::regclass")).toEqual({ count: 4 });
  expect(await first.store.records.query({})).toHaveLength(30);
});

it("goes on to the next weeks as time goes on", async () => {
  const clock = new VirtualClock(startAtMs);
  const { store, db } = await stores.open({ storeClock: clock });
  await store.prepareRecords();
  await clock.advance(2 * weekMs);
  await store.prepareRecords();

  await store.write([at("a", startAtMs + 4 * weekMs)]);

  expect(await idsByPlace(db)).toEqual({ "20260212": ["a"] });
});

it("drops the weeks that are over, and deletes the older of what lies in none", async () => {
  const { store, db } = await stores.open({ storeClock: new VirtualClock(startAtMs) });
  await store.prepareRecords();
  await store.write([at("a", startAtMs), at("b", startAtMs + weekMs), at("early", startAtMs - 1), at("later", startAtMs + 10 * weekMs)]);

  const dropBefore = (ms: number) => dropWeeksBefore(db, ms);

  expect(await dropBefore(startAtMs)).toEqual({ weeks: 0, records: 1 });
  expect(await dropBefore(startAtMs + 2 * weekMs - 1)).toEqual({ weeks: 1, records: 0 });
  expect(await idsByPlace(db)).toEqual({ "20260122": ["b"], default: ["later"] });
  expect(await dropBefore(startAtMs + 2 * weekMs - 1)).toEqual({ weeks: 0, records: 0 });

  // What comes late for a week that is gone is kept all the same, until retention runs again.
  await store.write([at("late", startAtMs)]);
  expect(await dropBefore(startAtMs + weekMs)).toEqual({ weeks: 0, records: 1 });
});

const call = (id: string, atMs: number): Write => ({ type: "record", record: toLogRecord(id, atMs, "team", { event_type: "tool_call", agent_id: "a", result: "success" }) });
const callsOf = async (db: PostgresDatabase): Promise<number> => Number((await db.get("SELECT coalesce(sum(tool_calls), 0) AS calls FROM lh_usage_hour"))?.["calls"]);

it("lets records be written while somebody reads for long, and drops and makes weeks when that is over", async () => {
  const { store, db } = await stores.open({ storeClock: new VirtualClock(startAtMs) });
  await store.prepareRecords();
  await store.write([call("a", startAtMs)]);
  const later = await stores.open({ storeClock: new VirtualClock(startAtMs + weekMs), schema: db.schema });
  const { promise: isRead, resolve: endReading } = Promise.withResolvers<void>();
  const reading = db.transaction(async (tx) => {
    await tx.all("SELECT count(*) FROM lh_record");
    await isRead;
  });

  const upkeep = Promise.all([dropWeeksBefore(later.db, startAtMs + weekMs), later.store.prepareRecords()]);
  const longestMs = await longestWrite(store, 20);
  expect(await upkeep).toMatchObject([{ weeks: 0 }, undefined]);
  endReading();
  await reading;

  // A lock is waited for 10 s where nothing else is said.
  expect(longestMs).toBeLessThan(5_000);
  expect(await later.store.records.query({})).toHaveLength(21);
  expect(await dropWeeksBefore(later.db, startAtMs + weekMs)).toMatchObject({ weeks: 1 });
  await later.store.prepareRecords();
  expect(await db.all("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname ~ '^lh_(record|detached)_[0-9]*$' ORDER BY 1")).toEqual(
    ["20260122", "20260129", "20260205"].map((week) => ({ relname: `lh_record_${week}` })),
  );
  expect(await callsOf(db)).toBe(1);
});

async function longestWrite(store: PostgresStore, count: number): Promise<number> {
  let longestMs = 0;
  for (let index = 0; index < count; index++) {
    const beganAtMs = systemClock.monotonicMs();
    await store.write([call(`during ${index}`, startAtMs + weekMs + index)]);
    longestMs = Math.max(longestMs, systemClock.monotonicMs() - beganAtMs);
    await sleep(systemClock, 50);
  }
  return longestMs;
}

it("counts and drops what a process had taken out when it died", async () => {
  const { store, db } = await stores.open({ storeClock: new VirtualClock(startAtMs) });
  await store.prepareRecords();
  await store.write([call("a", startAtMs), call("b", startAtMs + 1)]);
  await db.exec("ALTER TABLE lh_record DETACH PARTITION lh_record_20260115; ALTER TABLE lh_record_20260115 RENAME TO lh_detached_20260115");

  const others = await Promise.all([1, 2].map(() => stores.open({ storeClock: new VirtualClock(startAtMs), schema: db.schema })));
  const dropped = await Promise.all(others.map(({ db: other }) => dropWeeksBefore(other, startAtMs)));

  expect(dropped.reduce((sum, { weeks }) => sum + weeks, 0)).toBe(1);
  expect(await callsOf(db)).toBe(2);
});
