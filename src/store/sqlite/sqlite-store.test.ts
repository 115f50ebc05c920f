import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { macrotask } from "../../base/turn.ts";
import { GroupCommit } from "../../db/group-commit.ts";
import { migrate } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import { testStore } from "../store.testsuite.ts";
import type { Store } from "../store.ts";
import { storeMigrations } from "./schema.ts";
import { createSqliteStore, type SqliteStore } from "./sqlite-store.ts";

interface Opened {
  readonly store: SqliteStore;
  readonly db: SqliteDatabase;
  readonly commit: GroupCommit;
  free(): Promise<void>;
}

const opened = new Map<Store, Opened>();

afterEach(async () => {
  for (const each of opened.values()) await each.free();
  opened.clear();
});

function open(kind: "memory" | "file" | "file with one connection"): Opened {
  const folder = kind === "memory" ? null : mkdtempSync(join(tmpdir(), "longhaul-store-"));
  const path = folder === null ? ":memory:" : join(folder, "data.db");
  const db = SqliteDatabase.open(path);
  migrate(db, storeMigrations);
  const commit = new GroupCommit({ db });
  const readDb = kind === "file" ? SqliteDatabase.openReadOnly(path) : null;
  const store = createSqliteStore(readDb === null ? { db, commit } : { db, readDb, commit });
  const free = async (): Promise<void> => {
    await store.close();
    await commit.close();
    readDb?.close();
    db.close();
    if (folder !== null) rmSync(folder, { recursive: true });
  };
  opened.set(store, { store, db, commit, free });
  return { store, db, commit, free };
}

function recordWrite(id: string): Write {
  return { type: "record", record: toLogRecord(id, 0, "team", { event_type: "task" }) };
}

describe.each(["memory", "file", "file with one connection"] as const)("SqliteStore in %s", (kind) => {
  testStore({ create: () => open(kind).store, destroy: () => undefined });

  it("never shows a group that is still being applied to a reader", async () => {
    const { store, commit } = open(kind);
    const seen: Promise<readonly unknown[]>[] = [];

    const failing = commit.submit(async (tx) => {
      store.apply(tx, [recordWrite("lost")]);
      seen.push(store.records.query({}));
      await macrotask();
      await macrotask();
    });

    await expect(failing).rejects.toMatchObject({ code: "TRANSACTION_AWAIT" });
    expect(await Promise.all(seen)).toEqual([[]]);
  });

  it("shows a write to every read that begins after it was acknowledged", async () => {
    const { store } = open(kind);

    for (let index = 1; index <= 20; index++) {
      await store.write([recordWrite(`x${index}`)]);
      expect(await store.records.query({})).toHaveLength(index);
    }
  });

  it("finishes what was asked before close and refuses what comes later", async () => {
    const { store, db } = open(kind);

    let isWritten = false;
    const asked = store.write([recordWrite("x1")]).then(() => {
      isWritten = true;
    });
    const closing = store.close().then(() => isWritten);

    await expect(store.write([recordWrite("x2")])).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    await expect(store.records.query({})).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    expect(await closing).toBe(true);
    await asked;
    expect(db.all("SELECT id FROM lh_record").map((row) => row["id"])).toEqual(["x1"]);
  });
});

describe("apply", () => {
  it("puts writes into the transaction of the job that calls it", async () => {
    const { store, db, commit } = open("memory");
    db.exec("CREATE TABLE journal (step INTEGER PRIMARY KEY) STRICT");
    const step = (number: number, key: string, taskId: string): Promise<void> =>
      commit.submit((tx) => {
        tx.run("INSERT INTO journal VALUES (?)", number);
        store.apply(tx, [recordWrite(`x${number}`), { type: "key.claim", key, taskId, atMs: 0, expiresAtMs: 10 }]);
      });

    const ends = await Promise.allSettled([step(1, "k", "t1"), step(2, "k", "t2"), step(3, "other", "t3")]);

    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(db.all("SELECT step FROM journal").map((row) => row["step"])).toEqual([1, 3]);
    expect((await store.records.query({})).map(({ record }) => record.id)).toEqual(["x1", "x3"]);
  });
});

describe("the tables", () => {
  it("refuse to change a record", () => {
    const { store, db } = open("memory");
    store.apply(db, [recordWrite("x1")]);

    expect(() => db.run("UPDATE lh_record SET result = 'success'")).toThrow("a record never changes");
  });

  it("round measures that are no whole numbers, so that a fact never refuses a commit", async () => {
    const { store } = open("memory");
    await store.write([{ type: "record", record: toLogRecord("x1", 0, "team", { event_type: "model_call", duration_ms: 12.6, tokens_used: Number.NaN, cost_micro_usd: 0.4 }) }]);

    expect(await store.records.query({})).toMatchObject([{ record: { duration_ms: 13, tokens_used: null, cost_micro_usd: 0 } }]);
  });

  it("are all named lh_ and strict", () => {
    const { db } = open("memory");
    const tables = db.all("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'");

    expect(tables.filter((row) => !String(row["name"]).startsWith("lh_") || row["strict"] !== 1)).toEqual([]);
    expect(tables.length).toBeGreaterThan(10);
  });
});
