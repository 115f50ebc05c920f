import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { runReadingQuery } from "./reading-query.ts";

let folder: string;
let writer: SqliteDatabase;
let db: SqliteDatabase;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-query-"));
  writer = SqliteDatabase.open(join(folder, "data.db"));
  writer.exec("CREATE TABLE item (name TEXT, size INTEGER) STRICT; INSERT INTO item VALUES ('a;b', 1), ('it''s', 2), ('c', 3)");
  db = SqliteDatabase.openReadOnly(join(folder, "data.db"));
});
afterEach(() => {
  db.close();
  writer.close();
  rmSync(folder, { recursive: true });
});

function plainRows(sql: string, rowsMax?: number): unknown {
  const { rows, truncated } = runReadingQuery(db, sql, rowsMax === undefined ? {} : { rowsMax });
  return { rows: rows.map((row) => Object.values(row).join("|")), truncated };
}

describe("answers", () => {
  it.each([
    ["SELECT name FROM item ORDER BY size DESC", ["c", "it's", "a;b"]],
    ["  select size from item where name = 'a;b' ;  \n", ["1"]],
    ["-- what is there; and how much\nSELECT /* ; */ sum(size) FROM item -- all; of it", ["6"]],
    ["WITH big AS (SELECT * FROM item WHERE size > 1) SELECT name, size FROM big ORDER BY size", ["it's|2", "c|3"]],
    ["VALUES (1, 'x'), (2, 'y')", ["1|x", "2|y"]],
    ["SELECT name AS \"a;b\" FROM item WHERE name = 'it''s'", ["it's"]],
    ["PRAGMA table_info('item')", ["0|name|TEXT|0||0", "1|size|INTEGER|0||0"]],
    ["PRAGMA main.journal_mode", ["wal"]],
    ["SELECT name FROM pragma_table_info('item')", ["name", "size"]],
    ["SELECT ?", [""]],
  ])("%j", (sql, rows) => {
    expect(plainRows(sql)).toEqual({ rows, truncated: false });
  });

  it("explains how SQLite would run a statement without running it", () => {
    expect(runReadingQuery(db, "EXPLAIN QUERY PLAN SELECT * FROM item").rows[0]?.["detail"]).toBe("SCAN item");
    expect(runReadingQuery(db, "EXPLAIN DELETE FROM item").rows.length).toBeGreaterThan(1);
    expect(runReadingQuery(db, "SELECT count(*) AS count FROM item").rows[0]?.["count"]).toBe(3);
  });

  it("at most rowsMax rows and says that there are more", () => {
    expect(plainRows("SELECT size FROM item ORDER BY size", 2)).toEqual({ rows: ["1", "2"], truncated: true });
    expect(plainRows("SELECT size FROM item ORDER BY size", 3)).toEqual({ rows: ["1", "2", "3"], truncated: false });
  });

  it("1,000 rows by default, also of a statement without an end", () => {
    const endless = runReadingQuery(db, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n");

    expect({ ...endless, rows: endless.rows.length }).toEqual({ rows: 1_000, truncated: true, rowsMax: 1_000 });
  });
});

describe("refuses", () => {
  it.each([
    ["", "it is empty"],
    [" -- only a comment", "it is empty"],
    ["SELECT 1; SELECT 2", "more than one statement"],
    ["SELECT 1; DELETE FROM item", "more than one statement"],
    ["DELETE FROM item", "it begins with DELETE"],
    ["/* SELECT */ UPDATE item SET size = 0", "it begins with UPDATE"],
    ["ATTACH 'other.db' AS other", "it begins with ATTACH"],
    ["DETACH main", "it begins with DETACH"],
    ["VACUUM INTO 'copy.db'", "it begins with VACUUM"],
    ["CREATE TEMP TABLE mine (a)", "it begins with CREATE"],
    ["BEGIN IMMEDIATE", "it begins with BEGIN"],
    ["'SELECT' 1", "it begins with \"________ 1\""],
    ["PRAGMA user_version = 5", "PRAGMA user_version with a value"],
    ["PRAGMA main.user_version=5", "PRAGMA user_version with a value"],
    ["PRAGMA journal_mode(delete)", "PRAGMA journal_mode with a value"],
    ["PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_checkpoint is not one that only reads"],
    ["PRAGMA optimize", "PRAGMA optimize is not one"],
    ["WITH gone AS (SELECT 1) DELETE FROM item", "SQLite answers"],
    ["SELECT * FROM nowhere", "SQLite answers: no such table: nowhere"],
    ["SELECT 9007199254740993", "SQLite answers"],
  ])("%j", (sql, reason) => {
    expect(() => runReadingQuery(db, sql)).toThrow(expect.objectContaining({ code: "STORE_QUERY", message: expect.stringContaining(reason) as string }));
    expect(writer.get("SELECT sum(size) AS size FROM item")?.["size"]).toBe(6);
    expect(existsSync("copy.db") || existsSync("other.db")).toBe(false);
  });

  it.each([0, -1, 1.5, 100_001, Number.NaN])("rowsMax %d", (rowsMax) => {
    expect(() => runReadingQuery(db, "SELECT 1", { rowsMax })).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});
