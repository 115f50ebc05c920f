import { expect, it, onTestFinished } from "vitest";
import { systemClock } from "../base/clock.ts";
import { until } from "../base/fixture/until.ts";
import { seededRandom } from "../base/random.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { sharedPostgres } from "../db/fixture/postgres-server.ts";
import { migratePostgres } from "../db/postgres-migration.ts";
import { PostgresDatabase } from "../db/postgres.ts";
import { toLogRecord } from "../record/log-record.ts";
import { createPostgresStore } from "../store/postgres/postgres-store.ts";
import { clusterMigrations } from "./cluster-schema.ts";
import { openClusterView } from "./cluster-view.ts";

/** A watch of a new team's records, on a clock of its own that stands still, and whoever writes them. */
async function openWatch() {
  const url = await (await sharedPostgres()).createDatabase();
  const db = await PostgresDatabase.open({ url, clock: systemClock, random: seededRandom(1) });
  await migratePostgres(db, clusterMigrations);
  const store = createPostgresStore({ db, clock: systemClock, random: seededRandom(2) });
  const clock = new VirtualClock(0);
  const view = await openClusterView({ store: url, clock, random: seededRandom(3) });
  const looksAtMs: number[] = [];
  const found = { isNew: false };
  const watch = view.watchRecords(async () => {
    looksAtMs.push(clock.now());
    return found.isNew;
  });
  onTestFinished(async () => {
    watch.close();
    await view.close();
    await store.close();
    await db.close();
  });
  await until("it is listened", () => looksAtMs.length === 1);
  return { clock, store, looksAtMs, found, watch };
}

it("a watch of records looks at once when one is written, before any time has passed", async () => {
  const { store, looksAtMs } = await openWatch();

  await store.write([{ type: "record", record: toLogRecord("a", 0, "team", { event_type: "task" }) }]);

  await until("it looked", () => looksAtMs.length > 1);
  expect(looksAtMs).toEqual([0, 0]);
});

it("a watch of records looks ever more rarely while it is told nothing and finds nothing, and often again when it found something", async () => {
  const { clock, looksAtMs, found, watch } = await openWatch();

  await clock.advance(130_000);
  expect(looksAtMs.splice(0)).toEqual([0, 2_000, 6_000, 14_000, 30_000, 60_000, 90_000, 120_000]);

  found.isNew = true;
  await clock.advance(24_000);
  found.isNew = false;
  await clock.advance(10_000);
  expect(looksAtMs.splice(0)).toEqual([150_000, 152_000, 154_000, 156_000, 160_000]);

  watch.close();
  await clock.advance(600_000);
  expect(looksAtMs).toEqual([]);
});
