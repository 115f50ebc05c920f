import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { OperatorReading } from "../operator-reading.ts";
import { type OpenedStore, OpenedStores } from "./fixture/opened-stores.ts";
import { openPostgresOperator } from "./operator.ts";
import { storeMigrations } from "./schema.ts";

const stores = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
let opened: OpenedStore;
let operator: OperatorReading;

beforeAll(async () => {
  opened = await stores.open();
  operator = await openPostgresOperator(opened.db, storeMigrations);
  await opened.store.write([
    ...Array.from({ length: 5 }, (_, index) => ({ type: "record" as const, record: toLogRecord(`x${index}`, index, "team", { event_type: "task", agent_id: "a", data: { n: index } }) })),
    { type: "outbox", id: "o1", notifier: "console", message: { id: "o1", atMs: 0, team: "team", agent: null, severity: "info", title: "t", text: "t", data: {} }, atMs: 7, expiresAtMs: 9 },
  ]);
  await opened.store.outbox.failed("o1", { atMs: 8, error: "refused", nextAtMs: null });
});
afterAll(() => stores.closeAll());

describe("an operator", () => {
  it("reads what the team wrote", async () => {
    expect(await operator.records.query({ agent: "a" })).toHaveLength(5);
    expect(await operator.records.census()).toMatchObject({ records: 5, counts: { task: 5 } });
    expect(await operator.money.spent({})).toMatchObject({ spentMicroUsd: 0 });
    expect(await operator.outbox.list()).toMatchObject([{ id: "o1", state: "failed", queuedAtMs: 7, endedAtMs: 8, lastError: "refused", attempts: 1 }]);
  });

  it("asks in SQL, JSON included, and gets as many rows as were asked for", async () => {
    const sql = "SELECT id, (data::json ->> 'n')::int AS n FROM lh_record ORDER BY position -- the oldest first\n;";

    expect(await operator.query(sql, { rowsMax: 2 })).toEqual({ rows: [{ id: "x0", n: 0 }, { id: "x1", n: 1 }], truncated: true, rowsMax: 2 });
    expect(await operator.query("TABLE lh_outbox")).toMatchObject({ truncated: false });
    expect((await operator.query("EXPLAIN SELECT 1")).rows).not.toEqual([]);
  });

  it.each([
    "DELETE FROM lh_record", "COMMIT", "SELECT 1; SELECT 2", "", "  ;", "SELECT nothing", "EXPLAIN ANALYZE DELETE FROM lh_record", "SELECT nextval('lh_record_position')",
    "WITH gone AS (DELETE FROM lh_record RETURNING 1) SELECT * FROM gone", "SELECT 1) AS a; COMMIT; DELETE FROM lh_record; SELECT (1", "SELECT 9007199254740993::int8",
  ])("is refused %j, and nothing is changed", async (sql) => {
    await expect(operator.query(sql)).rejects.toMatchObject({ code: "STORE_QUERY" });
    expect(await operator.records.query({})).toHaveLength(5);
  });

  it("ends a statement whose time is over, also where that is longer than any other has", async () => {
    const startedMs = systemClock.monotonicMs();

    await expect(operator.query("SELECT pg_sleep(20)", { timeoutMs: 300 })).rejects.toMatchObject({ code: "STORE_QUERY", message: expect.stringContaining("took longer than 300 ms") as string });

    expect(systemClock.monotonicMs() - startedMs).toBeLessThan(10_000);
    expect((await operator.query("SELECT current_setting('statement_timeout') AS ms", { timeoutMs: 3_600_000 })).rows).toEqual([{ ms: "1h" }]);
    expect((await operator.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  it("is refused a number of rows out of range", async () => {
    await expect(operator.query("SELECT 1", { rowsMax: 0 })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });
});

describe("a schema", () => {
  it("without data is said to be empty", async () => {
    const { db } = await stores.open();
    await db.exec("DROP TABLE lh_migration");

    await expect(openPostgresOperator(db, storeMigrations)).rejects.toMatchObject({ code: "STORE_NOT_FOUND" });
  });

  it("of an older or a newer version is not read", async () => {
    const newer = [...storeMigrations, { name: "0003-store", sql: "" }];

    await expect(openPostgresOperator(opened.db, newer)).rejects.toMatchObject({ code: "STORE_VERSION", message: expect.stringContaining("0003-store") as string });
    await expect(openPostgresOperator(opened.db, storeMigrations.slice(0, 1))).rejects.toMatchObject({ code: "STORE_VERSION", message: expect.stringContaining("0001-store") as string });
  });
});
