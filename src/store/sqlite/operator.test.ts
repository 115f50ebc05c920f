import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { until } from "../../base/fixture/until.ts";
import { macrotask } from "../../base/turn.ts";
import { GroupCommit } from "../../db/group-commit.ts";
import { migrate } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import { assertReadable, openOperatorStore } from "./operator.ts";
import { storeMigrations } from "./schema.ts";
import { createSqliteStore, type SqliteStore } from "./sqlite-store.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-operator-"));
  path = join(folder, "data.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Team {
  readonly db: SqliteDatabase;
  readonly store: SqliteStore;
}

function startTeam(): Team {
  const db = SqliteDatabase.open(path);
  migrate(db, storeMigrations);
  return { db, store: createSqliteStore({ db, commit: new GroupCommit({ db }) }) };
}

function recordWrite(id: string): Write {
  return { type: "record", record: toLogRecord(id, 5, "team", { event_type: "model_call", agent_id: "research", tokens_used: 3, cost_micro_usd: 7 }) };
}

const outboxWrite: Write = { type: "outbox", id: "o1", notifier: "console", message: { title: "hollow" }, atMs: 1, expiresAtMs: 9 };

describe("the views", () => {
  it("are those of the store, and the outbox shows what was delivered and what was given up", async () => {
    const { db, store } = startTeam();
    await store.money.reserve({ id: "m1", stepKey: "s", agent: "research", taskId: "t1", atMs: 5, amountMicroUsd: 4, perTaskMicroUsd: 10, perDayMicroUsd: 10 });
    await store.write([
      recordWrite("x1"), outboxWrite, { ...outboxWrite, id: "o2" }, { ...outboxWrite, id: "o3" }, { type: "message", id: "h", parentId: null, content: { role: "user", text: "hello" } },
      { type: "progress", id: "p1", agent: "research", atMs: 5, what: "verified", outputHash: null }, { type: "trigger.state", triggerId: "every", state: { at: 1 } },
    ]);
    await store.meta.set("manifest", ["research"]);
    await store.outbox.delivered("o1", 2);
    await store.outbox.failed("o1", { atMs: 3, error: "told twice", nextAtMs: 9 });
    await store.outbox.failed("o2", { atMs: 3, error: "refused", nextAtMs: null });
    const operator = openOperatorStore(path);

    expect(await operator.records.query({ agent: "research" })).toMatchObject([{ record: { id: "x1" } }]);
    expect(await operator.records.usageByAgent({ sinceMs: 0, untilMs: 6 })).toMatchObject([{ agent: "research", tokens: 3, costMicroUsd: 7 }]);
    expect(await operator.messages.transcript("h")).toEqual([{ role: "user", text: "hello" }]);
    expect(await operator.money.spent({ agent: "research" })).toEqual({ spentMicroUsd: 0, reservedMicroUsd: 4, tokens: 0 });
    expect(await operator.progress.all()).toMatchObject([{ agent: "research", count: 1 }]);
    expect([...(await operator.triggers.all())]).toEqual([["every", { at: 1 }]]);
    expect(await operator.meta.get("manifest")).toEqual(["research"]);
    expect(await operator.outbox.list()).toMatchObject([
      { id: "o1", state: "delivered", attempts: 1, endedAtMs: 2, lastError: null },
      { id: "o2", state: "failed", attempts: 1, endedAtMs: 3, lastError: "refused" },
      { id: "o3", state: "waiting", attempts: 0, endedAtMs: null, queuedAtMs: 1 },
    ]);
    operator.close();
    db.close();
  });

  it("cannot be written through", async () => {
    startTeam().db.close();
    const operator = openOperatorStore(path);

    await expect(operator.query("WITH gone AS (SELECT 1) DELETE FROM lh_meta")).rejects.toMatchObject({ code: "STORE_QUERY" });
    operator.close();
  });
});

/** It would end by itself, after minutes. */
const slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) AS n FROM n";

/** Whether a process that this one started has the data file open. */
function isReadByChildOf(pid: number | undefined): boolean {
  const children = ifThere(() => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter((child) => child !== "")) ?? [];
  return children.some((child) => ifThere(() => readdirSync(`/proc/${child}/fd`))?.some((fd) => ifThere(() => readlinkSync(`/proc/${child}/fd/${fd}`)) === realpathSync(path)));
}

/** Null when the process has ended, or closed the file, meanwhile. */
function ifThere<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

describe("beside a writer", () => {
  it("reads the last commit while a transaction is open, and never makes the writer wait", async () => {
    const { db, store } = startTeam();
    await store.write([recordWrite("x1")]);
    const operator = openOperatorStore(path);
    db.exec("BEGIN IMMEDIATE");
    store.apply(db, [recordWrite("x2")]);

    expect(await operator.records.query({})).toHaveLength(1);

    db.exec("COMMIT");
    expect(await operator.records.query({})).toHaveLength(2);
    await store.write([recordWrite("x3")]);
    expect(await operator.records.query({})).toHaveLength(3);
    operator.close();
    db.close();
  });

  it("ends a statement whose time is over, and answers the next one with all kinds of values", async () => {
    startTeam().db.close();
    const operator = openOperatorStore(path);
    const startedMs = systemClock.monotonicMs();

    await expect(operator.query(slow, { timeoutMs: 500 })).rejects.toMatchObject({ code: "STORE_QUERY", message: expect.stringContaining("took longer than 500 ms") as string });

    expect(systemClock.monotonicMs() - startedMs).toBeLessThan(15_000);
    expect(await operator.query("SELECT 'a' AS a, 1.5 AS b, x'00ff' AS c, NULL AS d UNION ALL SELECT 'b', 2, x'', 1", { timeoutMs: 60_000, rowsMax: 1 })).toEqual({ rows: [{ a: "a", b: 1.5, c: new Uint8Array([0, 255]), d: null }], truncated: true, rowsMax: 1 });
    await expect(operator.query("DELETE FROM lh_meta", { timeoutMs: 60_000 })).rejects.toMatchObject({ code: "STORE_QUERY", message: expect.stringContaining("it begins with DELETE") as string });
    operator.close();
  });

  it.skipIf(process.platform !== "linux")("ends by itself when its time is over and whoever asked was killed: it would keep the log of the team from being emptied", async () => {
    startTeam().db.close();
    const asks = `
      const { openOperatorStore } = await import(${JSON.stringify(import.meta.resolve("./operator.ts"))});
      const asked = openOperatorStore(${JSON.stringify(path)}).query(${JSON.stringify(slow)}, { timeoutMs: 5000 });
      console.log("asked");
      await asked;`;
    const asking = spawn(process.execPath, ["--conditions=longhaul-source", "--input-type=module", "-e", asks], { stdio: ["ignore", "pipe", "pipe"] });
    // It has this end too, and nobody else when the one that asked is gone.
    const over = once(asking.stderr, "close").then(() => "over");
    asking.stderr.resume();
    await once(asking.stdout, "data");
    await until("its statement is under way", () => isReadByChildOf(asking.pid));

    asking.kill("SIGKILL");

    expect(await Promise.race([over, sleep(systemClock, 100)])).toBe(undefined);
    expect(await over).toBe("over");
  });

  it("follows another process that writes, which loses none of its commits", async () => {
    startTeam().db.close();
    const writer = `
      const { SqliteDatabase } = await import(${JSON.stringify(import.meta.resolve("../../db/sqlite.ts"))});
      const db = SqliteDatabase.open(process.argv[1]);
      console.log("ready");
      for (let n = 1; n <= 300; n++) db.run("INSERT INTO lh_meta VALUES (?, '1')", String(n));
      db.close();`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", writer, path], { stdio: ["ignore", "pipe", "inherit"] });
    let isRunning = true;
    const ended = once(child, "close").then(([exitCode]: unknown[]) => {
      isRunning = false;
      return exitCode;
    });
    await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    const operator = openOperatorStore(path);

    const counts: number[] = [];
    while (isRunning) {
      counts.push(Number((await operator.query("SELECT count(*) AS count FROM lh_meta")).rows[0]?.["count"]));
      await macrotask();
    }

    expect(await ended).toBe(0);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect((await operator.query("SELECT count(*) AS count FROM lh_meta")).rows[0]?.["count"]).toBe(300);
    operator.close();
  });
});

describe("without a writer", () => {
  it("opens a file that was closed cleanly and has no log beside it", async () => {
    const { db, store } = startTeam();
    await store.write([recordWrite("x1")]);
    db.close();
    expect(readdirSync(folder)).toEqual(["data.db"]);

    for (let round = 0; round < 2; round++) {
      const operator = openOperatorStore(path);
      expect(await operator.records.query({})).toHaveLength(1);
      operator.close();
    }
    startTeam().db.close();
  });

  it("reads what a process that died left in its log", async () => {
    const { db, store } = startTeam();
    await store.write([recordWrite("x1")]);
    const dead = join(folder, "dead");
    cpSync(path, join(dead, "data.db"));
    cpSync(`${path}-wal`, join(dead, "data.db-wal"));
    db.close();

    const operator = openOperatorStore(join(dead, "data.db"));

    expect(await operator.records.query({})).toHaveLength(1);
    operator.close();
  });
});

describe("a file that cannot be read", () => {
  it("is refused by its path when it is missing, and is not made", () => {
    expect(() => openOperatorStore(path)).toThrow(expect.objectContaining({ code: "STORE_NOT_FOUND", message: expect.stringContaining(`${path}. Start a team there first`) as string }));
    expect(existsSync(path)).toBe(false);
  });

  it("is refused when it holds no team's data, or is no data file at all", () => {
    SqliteDatabase.open(path).close();
    writeFileSync(join(folder, "text.db"), "not a database, but a text that is long enough to be taken for one by its size".repeat(20));

    expect(() => openOperatorStore(path)).toThrow(expect.objectContaining({ code: "STORE_NOT_FOUND", message: expect.stringContaining("holds no data") as string }));
    expect(() => openOperatorStore(join(folder, "text.db"))).toThrow(expect.objectContaining({ code: "STORE_NOT_FOUND", message: expect.stringContaining("not a database") as string }));
    expect(() => openOperatorStore(folder)).toThrow(expect.objectContaining({ code: "STORE_NOT_FOUND" }));
  });

  it("is refused with what permissions it takes when the file or the one beside it cannot be used", () => {
    startTeam().db.close();
    // SQLite follows no link, whatever the user may do.
    symlinkSync("nowhere", `${path}-shm`);

    expect(() => openOperatorStore(path)).toThrow(expect.objectContaining({ code: "SYSTEM_REFUSED", message: expect.stringMatching(/data\.db cannot be read by this user \(.*\)\. .*data\.db-shm beside the file\. Read it as the user of the team, or /) as string }));
  });

  it("is refused when a newer version wrote it", () => {
    const { db } = startTeam();
    db.run("INSERT INTO lh_migration VALUES ('9999-store')");

    expect(() => openOperatorStore(path)).toThrow(expect.objectContaining({ code: "STORE_VERSION", message: expect.stringContaining("9999-store") as string }));
    db.close();
  });

  it("is refused when an older version wrote it, whatever the engine's own migrations are", () => {
    const older = (): void => assertReadable("data.db", ["0001-engine", "0001-store", "0002-engine"], ["0001-store", "0002-store"]);

    expect(older).toThrow(expect.objectContaining({ code: "STORE_VERSION", message: expect.stringContaining("it lacks 0002-store") as string }));
    expect(() => assertReadable("data.db", ["0001-engine", "0001-store"], ["0001-store"])).not.toThrow();
  });
});
