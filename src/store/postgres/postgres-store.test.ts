import { afterAll, afterEach, describe, expect, it } from "vitest";
import type { Clock } from "../../base/clock.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import { testStore } from "../store.testsuite.ts";
import { OpenedStores } from "./fixture/opened-stores.ts";

const stores = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
afterEach(() => stores.closeAll());

function recordWrite(id: string): Write {
  return { type: "record", record: toLogRecord(id, 0, "team", { event_type: "task" }) };
}

/** The instants of the suite's records lie in the weeks of the first clock, and in none of the second one's. */
describe.each<[string, Clock]>([
  ["with records in their weeks", new VirtualClock(Date.UTC(2026, 0, 15))],
  ["with records in no week", new VirtualClock(Date.UTC(2027, 0, 15))],
])("PostgresStore %s", (_, storeClock) => {
  const ofSuite = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
  afterAll(() => ofSuite.closeAll());
  testStore({
    async create() {
      const { store } = await ofSuite.openEmptied({ storeClock });
      await store.prepareRecords();
      return store;
    },
    destroy: () => undefined,
  });
});

describe("apply", () => {
  it("puts writes into the transaction of the caller", async () => {
    const { store, db } = await stores.open();
    await db.exec("CREATE TABLE journal (step int PRIMARY KEY)");
    const step = (number: number, key: string, taskId: string): Promise<void> =>
      db.transaction(async (tx) => {
        await tx.run("INSERT INTO journal VALUES ($1)", number);
        await store.apply(tx, [recordWrite(`x${number}`), { type: "key.claim", key, taskId, atMs: 0, expiresAtMs: 10 }]);
      });

    await step(1, "k", "t1");
    const ends = await Promise.allSettled([step(2, "k", "t2"), step(3, "other", "t3")]);

    expect(ends.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(await db.all("SELECT step FROM journal ORDER BY step")).toEqual([{ step: 1 }, { step: 3 }]);
    expect((await store.records.query({})).map(({ record }) => record.id)).toEqual(["x1", "x3"]);
  });
});

describe("an intent", () => {
  const intent = { key: "r1/tool/send/1", toolName: "send", taskId: "t1", runId: "r1", atMs: 1 };

  it("is a later attempt's from then on: one that was superseded, in another process, is told so and makes no call", async () => {
    const { store } = await stores.open();
    await store.effects.intend({ ...intent, fence: 9 });

    expect(await store.effects.intend({ ...intent, fence: 10 })).toEqual({ state: "unknown", intendedAtMs: 1 });
    await expect(store.effects.intend({ ...intent, fence: 9 })).rejects.toMatchObject({ code: "ENGINE_FENCED", details: { key: intent.key, fence: 9, heldBy: 10 } });
    expect(await store.effects.intend({ ...intent, fence: 10 })).toEqual({ state: "unknown", intendedAtMs: 1 });
  });

  it("that is completed tells every attempt of its result", async () => {
    const { store } = await stores.open();
    await store.effects.intend({ ...intent, fence: 9 });
    await store.write([{ type: "effect.complete", key: intent.key, result: "sent" }]);

    expect(await store.effects.intend({ ...intent, fence: 1 })).toEqual({ state: "completed", result: "sent" });
  });
});

describe("close", () => {
  it("finishes what was asked before, and refuses what comes later", async () => {
    const { store, db } = await stores.open();
    let isWritten = false;
    const asked = store.write([recordWrite("x1")]).then(() => {
      isWritten = true;
    });
    const closing = store.close().then(() => isWritten);

    await expect(store.write([recordWrite("x3")])).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    await expect(store.records.query({})).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    expect(await closing).toBe(true);
    await asked;
    expect(await db.all("SELECT id FROM lh_record ORDER BY id")).toEqual([{ id: "x1" }]);
  });
});

describe("a store that nobody asks anything", () => {
  it("sends no query and sets no timer, so that ten minutes are like none", async () => {
    const clock = new VirtualClock();
    const { store, db } = await stores.open({ clock, storeClock: clock });
    await store.write([{ type: "record", record: toLogRecord("x1", 0, "team", { event_type: "task" }) }]);
    await store.outbox.nextAtMs();
    // When each connection of this pool last began or ended a statement.
    const name = db.where.slice(db.where.indexOf("/") + 1);
    const server = await sharedPostgres();
    const lastUses = (): Promise<readonly unknown[]> =>
      server.query(`SELECT pid, query_start, state_change FROM pg_stat_activity WHERE datname = '${name}' AND application_name = 'longhaul' ORDER BY pid`);
    const before = await lastUses();

    await clock.advance(600_000);

    expect(before.length).toBeGreaterThan(0);
    expect(await lastUses()).toEqual(before);
    expect(clock.pendingAtMs).toEqual([]);
  });
});

describe("the tables", () => {
  it("refuse to change a record", async () => {
    const { store, db } = await stores.open();
    await store.write([recordWrite("x1")]);

    await expect(db.run("UPDATE lh_record SET result = 'success'")).rejects.toThrow("a record never changes");
  });

  it("round measures that are no whole numbers, so that a fact never refuses a commit", async () => {
    const { store } = await stores.open();
    await store.write([{ type: "record", record: toLogRecord("x1", 0, "team", { event_type: "model_call", duration_ms: 12.6, tokens_used: Number.NaN, cost_micro_usd: 1e300 }) }]);

    expect(await store.records.query({})).toMatchObject([{ record: { duration_ms: 13, tokens_used: null, cost_micro_usd: null } }]);
  });

  it("are all named lh_", async () => {
    const { db } = await stores.open();
    const names = (await db.all("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')")).map((row) => String(row["relname"]));

    expect(names.filter((name) => !name.startsWith("lh_"))).toEqual([]);
    expect(names.length).toBeGreaterThan(10);
  });
});
