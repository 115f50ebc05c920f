import { afterEach, expect, it } from "vitest";
import { until } from "../../base/fixture/until.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import { type OpenedStore, OpenedStores } from "./fixture/opened-stores.ts";
import { followRecords, recordsTopic } from "./follow-records.ts";

const stores = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
afterEach(() => stores.closeAll());

const record = (id: string): Write => ({ type: "record", record: toLogRecord(id, 0, "team", { event_type: "task" }) });

/** A follower that looks when it is told to. Its clock stands still: whatever it sees, it was told of. */
function follow({ db, store }: OpenedStore) {
  const clock = new VirtualClock();
  const seen: string[] = [];
  let looked = 0;
  let position = 0;
  const following = followRecords(db, clock, () => {
    void store.records.query({ afterPosition: position, take: "oldest" }).then((found) => {
      looked++;
      for (const each of found.filter((one) => one.position > position)) {
        position = each.position;
        seen.push(each.record.id);
      }
    });
  });
  return { clock, seen, looked: () => looked, close: () => following.close() };
}

/** What is told of records in the schema, whoever waits for it. */
function countNotices({ db }: OpenedStore) {
  let notices = 0;
  let isListening = false;
  db.listen(recordsTopic, { onNotice: () => void notices++, onListening: () => (isListening = true) });
  return { notices: () => notices, listening: () => until("it listens", () => isListening) };
}

it("is told of what another process wrote, with its commit, while no time passes", async () => {
  const writer = await stores.open();
  const follower = follow(await stores.open({ schema: writer.db.schema }));
  await until("it looked", () => follower.looked() === 1);

  await writer.store.write([record("a"), record("b")]);

  await until("it saw them", () => follower.seen.length === 2);
  expect(follower.seen).toEqual(["a", "b"]);
  expect(follower.looked()).toBe(2);
});

it("misses nothing that is about to be committed when it begins to wait", async () => {
  const writer = await stores.open();
  let begin: (() => void) | null = null;
  const isFollowing = new Promise<void>((resolve) => (begin = resolve));
  const writing = writer.db.transaction(async (tx) => {
    await writer.store.apply(tx, [record("a")]);
    begin?.();
    // Within the half second after which whoever stands still loses its transaction.
    await tx.get("SELECT pg_sleep(0.3)");
  }, { idempotent: true });
  await isFollowing;

  const follower = follow(await stores.open({ schema: writer.db.schema }));
  await writing;

  await until("it saw it", () => follower.seen.length > 0);
  expect(follower.seen).toEqual(["a"]);
});

it("costs those who write one notice until it looks again, and none while nobody follows", async () => {
  const writer = await stores.open();
  const { notices, listening } = countNotices(writer);
  await listening();
  const { db } = writer;
  /** Notices come in their order: those before this one have come. */
  const write = async (id: string): Promise<void> => {
    await writer.store.write([record(id)]);
    let isPast = false;
    const past = db.listen("past", { onNotice: () => (isPast = true), onListening: () => undefined });
    await db.run("SELECT pg_notify('longhaul_' || current_schema(), 'past ')");
    await until("the notice came", () => isPast);
    past.close();
  };
  await write("before");
  expect(notices()).toBe(0);

  const follower = follow(await stores.open({ schema: db.schema }));
  await until("it looked", () => follower.looked() === 1);
  await write("first");
  await until("it saw it and rests", () => follower.seen.includes("first") && follower.clock.nextAtMs !== undefined);
  expect(notices()).toBe(1);
  for (const id of ["b", "c", "d"]) await write(id);
  expect(notices()).toBe(1);

  await follower.clock.advance(1_000);
  await until("it saw the rest", () => follower.seen.length === 5);
  await write("e");
  await until("it saw that, too", () => follower.seen.length === 6 && follower.clock.nextAtMs !== undefined);
  expect(notices()).toBe(2);

  await follower.clock.advance(1_000);
  follower.close();
  await until("it is gone", async () => (await db.all("SELECT 1 AS held FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).length === 0);
  await write("after");
  expect(notices()).toBe(2);
});

it("looks again, and is told again, when its connection was cut", async () => {
  const writer = await stores.open();
  const follower = follow(await stores.open({ schema: writer.db.schema }));
  await until("it looked", () => follower.looked() === 1);

  await writer.db.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
  await until("it looked again", () => follower.looked() === 2);
  await writer.store.write([record("a")]);

  await until("it saw it", () => follower.seen.length > 0);
  expect(follower.seen).toEqual(["a"]);
});

it("lets another one of its process go on when it is closed", async () => {
  const opened = await stores.open();
  const [first, second] = [follow(opened), follow(opened)];
  await until("both looked", () => first.looked() === 1 && second.looked() === 1);

  first.close();
  await opened.store.write([record("a")]);

  await until("it saw it", () => second.seen.length === 1);
  expect(first.seen).toEqual([]);
});
