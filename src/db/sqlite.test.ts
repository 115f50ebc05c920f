import { DatabaseSync } from "node:sqlite";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SqliteDatabase } from "./sqlite.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-sqlite-"));
  path = join(folder, "data.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

function pragma(db: SqliteDatabase, name: string): unknown {
  return Object.values(db.get(`PRAGMA ${name}`) ?? {})[0];
}

describe("open", () => {
  it("makes a file that keeps commits through a power cut, can shrink and is known as ours", () => {
    const db = SqliteDatabase.open(path);

    expect({
      journal: pragma(db, "journal_mode"),
      synchronous: pragma(db, "synchronous"),
      autoVacuum: pragma(db, "auto_vacuum"),
      foreignKeys: pragma(db, "foreign_keys"),
      busyTimeout: pragma(db, "busy_timeout"),
      logBytesMax: pragma(db, "journal_size_limit"),
      application: Buffer.from(Number(pragma(db, "application_id")).toString(16), "hex").toString(),
    }).toEqual({ journal: "wal", synchronous: 2, autoVacuum: 2, foreignKeys: 1, busyTimeout: 5_000, logBytesMax: 67_108_864, application: "lhdb" });
    db.close();
  });

  it("opens its own file again with what it holds", () => {
    const first = SqliteDatabase.open(path);
    first.exec("CREATE TABLE item (name TEXT) STRICT");
    first.run("INSERT INTO item VALUES (?)", "kept");
    first.close();

    const again = SqliteDatabase.open(path);

    expect(again.all("SELECT name FROM item").map((row) => row["name"])).toEqual(["kept"]);
    expect(pragma(again, "auto_vacuum")).toBe(2);
    again.close();
  });

  it("refuses a database that holds another application's tables under no name", () => {
    const foreign = new DatabaseSync(path);
    foreign.exec("CREATE TABLE theirs (a)");
    foreign.close();

    expect(() => SqliteDatabase.open(path)).toThrow(/another application/);
    const again = new DatabaseSync(path);
    expect(again.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "delete" });
    again.close();
  });

  it("refuses the file of another application and does not touch it", () => {
    const foreign = new DatabaseSync(path);
    foreign.exec("PRAGMA application_id = 7; CREATE TABLE theirs (a)");
    foreign.close();

    expect(() => SqliteDatabase.open(path)).toThrow(expect.objectContaining({ code: "STORE_VERSION", message: expect.stringContaining("id 7") as string }));
    expect(existsSync(`${path}-wal`)).toBe(false);
  });
});

describe("openReadOnly", () => {
  it("reads what is committed while the writer has a transaction open, and writes nothing", () => {
    const writer = SqliteDatabase.open(path);
    writer.exec("CREATE TABLE item (name TEXT) STRICT; INSERT INTO item VALUES ('committed')");
    const reader = SqliteDatabase.openReadOnly(path);

    writer.exec("BEGIN IMMEDIATE; INSERT INTO item VALUES ('not yet')");

    expect(reader.all("SELECT name FROM item").map((row) => row["name"])).toEqual(["committed"]);
    expect(() => reader.run("INSERT INTO item VALUES ('mine')")).toThrow(/readonly/);
    writer.exec("COMMIT");
    expect(reader.all("SELECT name FROM item")).toHaveLength(2);
    reader.close();
    writer.close();
  });
});

describe("statements", () => {
  it("tell how many rows they changed and the last row's id", () => {
    const db = SqliteDatabase.open(":memory:");
    db.exec("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT) STRICT");

    expect(db.run("INSERT INTO item (name) VALUES (?), (?)", "a", "b")).toEqual({ changes: 2, lastId: 2 });
    expect(db.get("SELECT name FROM item WHERE id = ?", 9)).toBeUndefined();
    expect(db.runOnce("DELETE FROM item WHERE name = ?", "a")).toEqual({ changes: 1 });
    expect(db.allOnce("SELECT name FROM item").map((row) => row["name"])).toEqual(["b"]);
    db.close();
  });

  it("survive a change of the tables that they were prepared for", () => {
    const db = SqliteDatabase.open(":memory:");
    db.exec("CREATE TABLE item (id INTEGER PRIMARY KEY) STRICT; INSERT INTO item VALUES (1)");
    db.all("SELECT * FROM item");

    db.exec("ALTER TABLE item ADD COLUMN name TEXT");

    expect(Object.keys(db.get("SELECT * FROM item") ?? {})).toEqual(["id", "name"]);
    db.close();
  });
});

it("may be closed twice", () => {
  const db = SqliteDatabase.open(":memory:");

  db.close();
  db.close();

  expect(() => db.get("SELECT 1")).toThrow(/not open|closed/);
});
