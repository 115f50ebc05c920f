import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { temporaryDirectory } from "../fixture/disk-team.ts";
import { databasePath, readImage, writeImage } from "./disk-image.ts";
import { parseWal } from "./wal.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let db: SqliteDatabase;
beforeEach(() => {
  directory = temporaryDirectory();
  mkdirSync(join(directory.path, "a"));
  db = SqliteDatabase.open(databasePath(join(directory.path, "a")));
  db.exec("CREATE TABLE t (v TEXT NOT NULL) STRICT");
});
afterEach(() => {
  db.close();
  directory.remove();
});

const add = (rows: number): void => {
  db.exec("BEGIN IMMEDIATE");
  for (let row = 0; row < rows; row++) db.run("INSERT INTO t VALUES (?)", "x".repeat(3_000));
  db.exec("COMMIT");
};
const image = () => readImage(join(directory.path, "a"));
const walOf = () => parseWal(image().wal);

test("counts the frames of a log as SQLite does", () => {
  add(1);
  const before = walOf()?.frames.length ?? 0;
  add(10);
  const wal = walOf();

  expect(wal?.pageSize).toBe(4096);
  expect(wal?.frames.at(-1)?.end).toBe(image().wal.length);
  expect((wal?.frames.length ?? 0) - before).toBeGreaterThanOrEqual(10);
  expect(db.get("PRAGMA wal_checkpoint(PASSIVE)")).toMatchObject({ log: wal?.frames.length });
});

test("a log that begins anew has another salt, and what is left of the old one does not count", () => {
  add(10);
  const old = walOf();
  db.exec("PRAGMA wal_checkpoint(RESTART)");
  add(1);
  const wal = walOf();

  expect(wal?.salt).not.toBe(old?.salt);
  expect(wal?.frames.length).toBeLessThan(old?.frames.length ?? 0);
  expect(image().wal.length).toBe(old?.frames.at(-1)?.end);
});

test.each([["a byte of a page", 3_000], ["a byte of a header", 5]])("a frame with %s changed ends what counts, for SQLite as well", (_, offset) => {
  add(1);
  const counted = walOf()?.frames.length ?? 0;
  add(5);
  const { db: bytes, wal } = image();
  const start = parseWal(wal)?.frames[counted + 2]?.start ?? 0;
  wal[start + offset] = (wal[start + offset] ?? 0) ^ 1;

  expect(parseWal(wal)?.frames).toHaveLength(counted);
  writeImage(join(directory.path, "b"), { db: bytes, wal });
  const recovered = SqliteDatabase.open(databasePath(join(directory.path, "b")));
  expect(recovered.all("SELECT 1 FROM t")).toHaveLength(1);
  recovered.close();
});

test("no log, and one that is cut in its header, hold nothing", () => {
  copyFileSync(databasePath(join(directory.path, "a")), join(directory.path, "copy"));

  expect(parseWal(Buffer.alloc(0))).toBeNull();
  expect(parseWal(image().wal.subarray(0, 31))).toBeNull();
  expect(parseWal(Buffer.alloc(100))).toBeNull();
});
