import { describe, expect, it } from "vitest";
import { checkUserSql } from "./user-sql.ts";

describe("the SQL of a transaction", () => {
  it.each([
    "SELECT 1",
    "insert into note (text) values (?)",
    "INSERT OR REPLACE INTO note VALUES ('a;b', \"c;d\") -- ;",
    "WITH x AS (SELECT 1) SELECT * FROM x;",
    "CREATE TABLE alh_x (begin_at INTEGER)",
    "CREATE TRIGGER t AFTER INSERT ON note BEGIN UPDATE note SET n = 1; DELETE FROM note; END",
    "/* note */ UPDATE note SET text = 'ROLLBACK'",
  ])("may be %s", (sql) => {
    expect(() => checkUserSql(sql)).not.toThrow();
  });

  it.each([
    "SELECT * FROM lh_task",
    "SELECT * FROM LH_TASK",
    'DELETE FROM "lh_journal"',
    "DELETE FROM 'lh_journal'",
    "DELETE FROM [lh_journal]",
    "DELETE FROM main.lh_journal",
    "CREATE VIEW mine AS SELECT * FROM lh_task",
    "BEGIN",
    "COMMIT",
    "/* a */ ROLLBACK",
    "SAVEPOINT x",
    "RELEASE user_sql",
    "ATTACH 'x' AS y",
    "PRAGMA user_version = 1",
    "VACUUM",
    "EXPLAIN SELECT 1",
    "INSERT OR ROLLBACK INTO note VALUES (1)",
    "SELECT 1; DELETE FROM note",
    "",
  ])("may not be %s", (sql) => {
    expect(() => checkUserSql(sql)).toThrow(expect.objectContaining({ code: "TRANSACTION_SQL" }));
  });

  it.each([
    [new Date(0), "a Date"], [() => 1, "a function"], [{ cents: 1 }, "an object"], [["a"], "a list"], [undefined, "missing"], [true, "a boolean"], [1n, "a bigint"], [Symbol("s"), "a symbol"], [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "Infinity"], [new Uint8Array(1), "a Uint8Array"], [Object.create(null), "an object"],
  ])("takes no %s for a parameter, in whichever place", (parameter, kind) => {
    const sql = "INSERT INTO pay (due, cents) VALUES (?, ?)";

    expect(() => checkUserSql(sql, [parameter, 500])).toThrow(`(${sql}): its parameter 1 is ${kind}. Use `);
    expect(() => checkUserSql(sql, [500, parameter])).toThrow(expect.objectContaining({ code: "TRANSACTION_SQL", message: expect.stringContaining(`its parameter 2 is ${kind}. Use `) }));
    expect(() => checkUserSql(sql, ["", null])).not.toThrow();
  });
});
