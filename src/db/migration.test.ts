import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { migrate, type Migration } from "./migration.ts";
import { SqliteDatabase } from "./sqlite.ts";

const first: Migration = { name: "0001-thing", sql: "CREATE TABLE thing (name TEXT) STRICT" };
const second: Migration = { name: "0002-thing", sql: "ALTER TABLE thing ADD COLUMN size INTEGER; INSERT INTO thing VALUES ('born with it', 2)" };
const broken: Migration = { name: "0003-thing", sql: "CREATE TABLE other (name TEXT) STRICT; CREATE TABLE thing (name TEXT) STRICT" };

let folder: string;
let db: SqliteDatabase;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-migration-"));
  db = SqliteDatabase.open(join(folder, "data.db"));
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

function applied(): readonly unknown[] {
  return db.all("SELECT name FROM lh_migration ORDER BY name").map((row) => row["name"]);
}

it("applies migrations in their order, each once", () => {
  migrate(db, [first, second]);
  migrate(db, [first, second]);

  expect(applied()).toEqual(["0001-thing", "0002-thing"]);
  expect(db.all("SELECT name, size FROM thing")).toEqual([expect.objectContaining({ name: "born with it", size: 2 })]);
});

it("brings an older file up to date and keeps its rows", () => {
  migrate(db, [first]);
  db.run("INSERT INTO thing VALUES ('old')");

  migrate(db, [first, second]);

  expect(db.all("SELECT name FROM thing").map((row) => row["name"])).toEqual(["old", "born with it"]);
});

it("refuses a file of a newer version by the names that it does not know, and leaves it as it is", () => {
  migrate(db, [first, second]);

  expect(() => migrate(db, [first])).toThrow(expect.objectContaining({ code: "STORE_VERSION", message: expect.stringContaining("0002-thing") as string }));
  expect(applied()).toEqual(["0001-thing", "0002-thing"]);
  expect(db.inTransaction).toBe(false);
});

it("leaves nothing of a set of migrations of which one fails", () => {
  expect(() => migrate(db, [first, second, broken])).toThrow(/already exists/);

  expect(db.inTransaction).toBe(false);
  expect(db.all("SELECT name FROM sqlite_schema WHERE name IN ('thing', 'other', 'lh_migration')")).toEqual([]);
});

it("lets a second connection that starts at the same time find the work done", () => {
  const other = SqliteDatabase.open(join(folder, "data.db"));

  migrate(db, [first, second]);
  migrate(other, [first, second]);

  expect(other.get("SELECT count(*) AS count FROM thing")?.["count"]).toBe(1);
  other.close();
});
