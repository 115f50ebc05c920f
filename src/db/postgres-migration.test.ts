import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { sharedPostgres } from "./fixture/postgres-server.ts";
import type { Migration } from "./migration.ts";
import { assertKnownSchema, migratePostgres } from "./postgres-migration.ts";
import { PostgresDatabase } from "./postgres.ts";

const first: Migration = { name: "0001-thing", sql: "CREATE TABLE thing (name text)" };
const second: Migration = { name: "0002-thing", sql: "ALTER TABLE thing ADD COLUMN size int; INSERT INTO thing VALUES ('born with it', 2)" };
const broken: Migration = { name: "0003-thing", sql: "CREATE TABLE other (name text); CREATE TABLE thing (name text)" };

let url: string;
let db: PostgresDatabase;
let schemas = 0;
const opened: PostgresDatabase[] = [];

beforeAll(async () => {
  url = await (await sharedPostgres()).createDatabase();
});
beforeEach(async () => {
  schemas++;
  db = await open();
});
afterAll(async () => {
  for (const each of opened) await each.close();
});

async function open(): Promise<PostgresDatabase> {
  const database = await PostgresDatabase.open({ url, schema: `s${schemas}`, clock: systemClock, random: seededRandom(1) });
  opened.push(database);
  return database;
}

async function applied(): Promise<readonly string[]> {
  return [...(await assertKnownSchema(db, db, [first, second]))].toSorted();
}

it("applies migrations in their order, each once, in a schema of its own", async () => {
  await migratePostgres(db, [first, second, second]);
  await migratePostgres(db, [first, second]);

  expect(await applied()).toEqual(["0001-thing", "0002-thing"]);
  expect(await db.all(`SELECT name, size FROM s${schemas}.thing`)).toEqual([{ name: "born with it", size: 2 }]);
});

it("brings an older schema up to date and keeps its rows", async () => {
  await migratePostgres(db, [first]);
  await db.run("INSERT INTO thing VALUES ('old')");

  await migratePostgres(db, [first, second]);

  expect((await db.all("SELECT name FROM thing")).map((row) => row["name"])).toEqual(["old", "born with it"]);
});

it("applies each once when many start at the same time", async () => {
  const starting = await Promise.all(Array.from({ length: 8 }, open));

  await Promise.all(starting.map((each) => migratePostgres(each, [first, second])));

  expect(await applied()).toEqual(["0001-thing", "0002-thing"]);
  expect(await db.get("SELECT count(*) AS count FROM thing")).toEqual({ count: 1 });
});

it("refuses a schema of a newer version by the names that it does not know, and leaves it as it is", async () => {
  await migratePostgres(db, [first, second]);

  await expect(migratePostgres(db, [first])).rejects.toMatchObject({ code: "STORE_VERSION", message: expect.stringContaining("0002-thing") as string });
  expect(await applied()).toEqual(["0001-thing", "0002-thing"]);
});

it("refuses a schema that holds another application's tables", async () => {
  await db.exec(`CREATE SCHEMA s${schemas}; CREATE TABLE s${schemas}.theirs (name text)`);

  await expect(migratePostgres(db, [first])).rejects.toMatchObject({ code: "STORE_VERSION", message: expect.stringContaining("theirs") as string });
  expect(await db.get("SELECT to_regclass('lh_migration') AS table")).toEqual({ table: null });
});

it("takes an empty schema that is there already", async () => {
  await db.exec(`CREATE SCHEMA s${schemas}`);
  await migratePostgres(db, [first]);

  expect(await applied()).toEqual(["0001-thing"]);
});

it("leaves nothing of a migration that fails, and what was applied before it stays", async () => {
  await expect(migratePostgres(db, [first, second, broken])).rejects.toThrow(/already exists/);

  expect(await applied()).toEqual(["0001-thing", "0002-thing"]);
  expect(await db.get("SELECT to_regclass('other') AS table")).toEqual({ table: null });
});
