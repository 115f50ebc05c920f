import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import type { PostgresSession } from "../../db/postgres.ts";
import { eventTypes, toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import type { RecordFilter } from "../store.ts";
import { OpenedStores } from "./fixture/opened-stores.ts";
import { queryRecords, toRecordRow } from "./records.ts";

const stores = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
afterEach(() => stores.closeAll());

it("gives back any text and any data unchanged, U+0000 and lone surrogates among them", async () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\u0000", "a\ud800", '\u0001"x"', "x".repeat(5_000)));
  const fields = fc
    .record({ event_type: fc.constantFrom(...eventTypes), reason: fc.option(text), tool_name: fc.option(text), tool_args: fc.option(fc.dictionary(text, fc.jsonValue())), data: fc.dictionary(text, fc.jsonValue()), simulated: fc.boolean() })
    .map((value) => JSON.parse(JSON.stringify(value)) as typeof value);
  const { store } = await stores.open();
  let count = 0;

  await fc.assert(
    fc.asyncProperty(fc.array(fields, { minLength: 1, maxLength: 20 }), async (all) => {
      const written = all.map((each) => toLogRecord(`x\u0000${count++}`, count, "team", each as Parameters<typeof toLogRecord>[3]));
      await store.write(written.map((record) => ({ type: "record", record })));
      expect((await store.records.query({ limit: all.length })).map(({ record }) => record)).toEqual(written);
      const names = new Set(written.flatMap(({ tool_name: name }) => name ?? []));
      for (const toolName of [...names].slice(0, 2)) expect(await store.records.query({ toolName, limit: 1 })).toMatchObject([{ record: { tool_name: toolName } }]);
    }),
    { numRuns: 25 },
  );
});

it("treats a timestamp that is none as a bug of ours", () => {
  const record = { ...toLogRecord("x1", 0, "team", { event_type: "task" }), timestamp: "yesterday" };

  expect(() => toRecordRow(record)).toThrow(/Longhaul bug: record x1 has the timestamp "yesterday"/);
});

describe("a reader that follows the log", () => {
  it("misses nothing that several processes write at once, in transactions and one by one", async () => {
    const first = await stores.open();
    const writers = [first, await stores.open({ schema: first.db.schema }), await stores.open({ schema: first.db.schema })];
    const idsOf = (writer: number): readonly string[] => Array.from({ length: 120 }, (_, index) => `w${writer}/${index}`);
    const recordOf = (id: string) => toLogRecord(id, 0, "team", { event_type: "task" });
    let isOver = false;

    const writing = Promise.all(
      writers.map(async ({ store, db }, writer) => {
        for (const [index, id] of idsOf(writer).entries()) {
          if (index % 2 === 0) await store.write([{ type: "record", record: recordOf(id) }]);
          else {
            await db.transaction(async (tx) => {
              await store.apply(tx, [{ type: "record", record: recordOf(id) }]);
              // A transaction that commits long after it drew its position.
              if (index % 20 === 3) await tx.get("SELECT pg_sleep(0.02)");
            });
          }
        }
      }),
    ).finally(() => (isOver = true));
    const seen: string[] = [];
    for (let position = 0, isLast = false; !isLast; ) {
      isLast = isOver;
      for (const stored of await first.store.records.query({ afterPosition: position, take: "oldest", limit: 7 })) {
        expect(stored.position).toBeGreaterThan(position);
        position = stored.position;
        seen.push(stored.record.id);
        isLast = false;
      }
    }
    await writing;

    expect(seen.toSorted()).toEqual([0, 1, 2].flatMap(idsOf).toSorted());
  });
});

describe("a process that stands still in the middle of writing records", () => {
  it("keeps others from it for half a second for each of its transactions, and writes them when it goes on", async () => {
    const hanging = await stores.open();
    const other = await stores.open({ schema: hanging.db.schema });
    const write = (id: string): Write => ({ type: "record", record: toLogRecord(id, 0, "team", { event_type: "task" }) });
    let goOn = (): void => undefined;
    const still = new Promise<void>((resolve) => (goOn = resolve));
    const ids = ["a", "b", "c"];
    let isHeld = false;
    const sinceMs = systemClock.monotonicMs();
    const writing = ids.map((id) =>
      hanging.db.transaction(async (tx) => {
        await hanging.store.apply(tx, [write(id)]);
        isHeld = true;
        await still;
      }, { idempotent: true }),
    );
    while (!isHeld) await sleep(systemClock, 5);

    await other.store.write([write("other")]);
    const tookMs = systemClock.monotonicMs() - sinceMs;
    goOn();
    await Promise.all(writing);

    expect(tookMs).toBeGreaterThan(300);
    expect(tookMs, "PostgreSQL itself would wait for 10 s").toBeLessThan(9_000);
    expect((await other.store.records.query({})).map(({ record }) => record.id).toSorted()).toEqual([...ids, "other"]);
  });
});

/** What PostgreSQL says about how it runs a query when it may not read whole tables. */
async function plan(filter: RecordFilter): Promise<string> {
  const { db } = await stores.open();
  const plans: unknown[] = [];
  await db.transaction(async (tx) => {
    await tx.exec("SET LOCAL enable_seqscan = off");
    const explaining: PostgresSession = { ...tx, all: async (sql, ...values) => {
      plans.push(...(await tx.allOnce(`EXPLAIN ${sql}`, ...values)).map((row) => row["QUERY PLAN"]));
      return await tx.all(sql, ...values);
    } };
    await queryRecords(explaining, filter);
  });
  return plans.join("\n");
}

describe("an index", () => {
  it.each<[string, RecordFilter, RegExp]>([
    ["a task", { taskId: "t" }, /_task_id_idx/],
    ["a run", { runId: "r" }, /_run_id_idx/],
    ["an agent's last hour", { agent: "a", sinceMs: 5 }, /_agent_id_at_ms_idx/],
    ["slow calls of one tool", { toolName: "search", sinceMs: 5, durationMsMin: 5_000 }, /Index Cond: .*tool_name.*at_ms >= /],
    ["what is new", { afterPosition: 5, take: "oldest" }, /_position_idx/],
    ["the newest of all", {}, /Scan Backward using lh_record_default_position_idx/],
  ])("finds %s", async (_, filter, index) => {
    expect(await plan(filter)).toMatch(index);
  });
});
