import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { systemProcess } from "../base/process.ts";
import { macrotask } from "../base/turn.ts";
import { migrate } from "../db/migration.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import { acquireOwnership } from "../engine/sqlite/owner.ts";
import { backupName } from "./backup-place.ts";
import { backUpData, type BackupOptions } from "./data-backup.ts";
import { dataMigrations } from "./open-data.ts";

let folder: string;
let db: SqliteDatabase;
const inFolder = (name: string): string => join(folder, name);
const backUp = (to: string, options: Partial<BackupOptions> = {}) => backUpData({ from: inFolder("longhaul.db"), to: inFolder(to), clock: systemClock, ...options });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-backup-"));
  db = SqliteDatabase.open(inFolder("longhaul.db"));
  migrate(db, dataMigrations);
  db.run("INSERT INTO lh_meta VALUES ('manifest', ?)", JSON.stringify({ team: "a b/c", workers: [] }));
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

it("holds what is only in the log yet, belongs to nobody, and is one file that its owner alone reads", async () => {
  acquireOwnership({ db, clock: systemClock, processInfo: systemProcess() });
  db.run("INSERT INTO lh_meta VALUES ('kept', '1')");
  expect(statSync(inFolder("longhaul.db-wal")).size).toBeGreaterThan(0);

  const { path, bytes } = await backUp("copy.db");

  expect(readdirSync(folder).filter((name) => name.startsWith("copy"))).toEqual(["copy.db"]);
  expect(statSync(path)).toMatchObject({ size: bytes, mode: 0o100600 });
  const copy = SqliteDatabase.openReadOnly(path);
  expect(copy.get("SELECT value FROM lh_meta WHERE name = 'kept'")).toEqual({ value: "1" });
  expect(copy.get("SELECT pid, epoch FROM lh_owner")).toEqual({ pid: null, epoch: 1 });
  expect(db.get("SELECT pid FROM lh_owner")).toEqual({ pid: process.pid });
  copy.close();
});

it("is given a name with the team and the time in a directory, and never replaces a file unless it is told to", async () => {
  mkdirSync(inFolder("many"));
  const { path, atMs } = await backUp("many");
  await backUp("mine.db");
  const mine = readFileSync(inFolder("mine.db"));
  db.run("INSERT INTO lh_meta VALUES ('later', '1')");
  await expect(backUp("mine.db")).rejects.toMatchObject({ code: "BACKUP_EXISTS", message: expect.stringContaining("--force") as string });
  expect(readFileSync(inFolder("mine.db")).equals(mine)).toBe(true);
  await expect(backUp("longhaul.db", { isForced: true })).rejects.toMatchObject({ code: "BACKUP_EXISTS" });

  expect(readdirSync(inFolder("many"))).toEqual([path.slice(inFolder("many").length + 1)]);
  expect(readdirSync(inFolder("many"))).toEqual([backupName("a b/c", atMs)]);
  await backUp("mine.db", { isForced: true });
  expect(readFileSync(inFolder("mine.db")).equals(mine)).toBe(false);
});

it.skipIf(process.platform === "win32")("replaces nothing but what longhaul wrote, whatever it is told: no other file, no device, pipe, socket or link", async () => {
  writeFileSync(inFolder("team.ts"), "export default 1;");
  writeFileSync(inFolder("empty"), "");
  const foreign = new DatabaseSync(inFolder("foreign.db"));
  foreign.exec("CREATE TABLE mine (a)");
  foreign.close();
  execFileSync("sh", ["-c", 'mkfifo "$0"', inFolder("pipe")]);
  symlinkSync(inFolder("nowhere"), inFolder("dangling"));
  await backUp("earlier.db");
  symlinkSync(inFolder("earlier.db"), inFolder("link-to-a-backup"));
  const server = createServer().listen(inFolder("socket"));
  await once(server, "listening");
  const names = ["team.ts", "empty", "foreign.db", "pipe", "dangling", "link-to-a-backup", "socket"];
  const before = names.map((name) => lstatSync(inFolder(name)).ino);

  for (const name of names) await expect(backUp(name, { isForced: true })).rejects.toMatchObject({ code: "BACKUP_EXISTS", message: expect.stringContaining(`${inFolder(name)} is `) as string });
  await expect(backUp("dangling")).rejects.toMatchObject({ code: "BACKUP_EXISTS" });

  expect(names.map((name) => lstatSync(inFolder(name)).ino)).toEqual(before);
  expect(readdirSync(folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
  server.close();
});

it("removes what a copy that was killed left, and no file of somebody else's that has such a name", async () => {
  writeFileSync(inFolder("notes.partial"), "mine");
  await expect(backUp("notes")).rejects.toMatchObject({ code: "BACKUP_EXISTS", message: expect.stringContaining("notes.partial is ") as string });
  expect(readFileSync(inFolder("notes.partial"), "utf8")).toBe("mine");

  for (const left of [Buffer.alloc(0), Buffer.alloc(8_192), Buffer.from("SQLite format 3\0and half of it")]) {
    writeFileSync(inFolder("copy.db.partial"), left);
    await backUp("copy.db", { isForced: true });
  }
  expect(readdirSync(folder).filter((name) => name.startsWith("copy"))).toEqual(["copy.db"]);
});

it("never replaces the data file by another path to it, nor gives a backup a name that SQLite keeps for logs", async () => {
  symlinkSync(folder, inFolder("mount"));
  symlinkSync(inFolder("longhaul.db"), inFolder("link.db"));
  linkSync(inFolder("longhaul.db"), inFolder("second-name.db"));
  const { ino } = statSync(inFolder("longhaul.db"));

  for (const to of ["mount/longhaul.db", "link.db", "second-name.db"]) await expect(backUp(to, { isForced: true })).rejects.toMatchObject({ code: "BACKUP_EXISTS", message: expect.stringContaining("the data file itself") as string });
  for (const to of ["longhaul.db-wal", "mount/longhaul.db-shm", "new.db-journal"]) await expect(backUp(to, { isForced: true })).rejects.toMatchObject({ code: "BACKUP_EXISTS", message: expect.stringContaining("SQLite") as string });

  expect(statSync(inFolder("longhaul.db")).ino).toBe(ino);
  db.run("INSERT INTO lh_meta VALUES ('after', '1')");
  expect(db.get("PRAGMA quick_check")).toEqual({ quick_check: "ok" });
});

it("does not replace a data file that somebody has open: its log would be applied to the backup", async () => {
  mkdirSync(inFolder("other"));
  const other = SqliteDatabase.open(inFolder("other/longhaul.db"));
  migrate(other, dataMigrations);
  other.run("INSERT INTO lh_meta VALUES ('theirs', '1')");

  await expect(backUp("other/longhaul.db", { isForced: true })).rejects.toMatchObject({ code: "BACKUP_EXISTS", message: expect.stringContaining("longhaul.db-wal") as string });

  other.close();
  expect(existsSync(inFolder("other/longhaul.db-wal"))).toBe(false);
  await backUp("other/longhaul.db", { isForced: true });
  const copy = SqliteDatabase.openReadOnly(inFolder("other/longhaul.db"));
  expect(copy.get("SELECT value FROM lh_meta WHERE name = 'theirs'")).toBeUndefined();
  copy.close();
});

it("says what is wrong with a data file that is damaged, and leaves the last backup and nothing else", async () => {
  for (let n = 0; n < 400; n++) db.run("INSERT INTO lh_meta VALUES (?, ?)", `n${n}`, JSON.stringify("x".repeat(500)));
  await backUp("last.db");
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const bytes = readFileSync(inFolder("longhaul.db"));
  bytes.fill(7, bytes.length - 90_000, bytes.length - 10_000);
  writeFileSync(inFolder("longhaul.db"), bytes);
  const last = readFileSync(inFolder("last.db"));

  await expect(backUp("last.db", { isForced: true })).rejects.toMatchObject({ code: "BACKUP_FAILED", message: expect.stringMatching(/malformed.*itself is damaged.*longhaul doctor/) as string });

  expect(readFileSync(inFolder("last.db")).equals(last)).toBe(true);
  expect(readdirSync(folder).filter((name) => name.endsWith(".partial"))).toEqual([]);
  db = SqliteDatabase.open(":memory:");
});

it("does not keep who writes waiting, and shows how far it is", { timeout: 120_000 }, async () => {
  db.run("PRAGMA wal_autocheckpoint = 0");
  for (let n = 0; n < 8_000; n++) {
    if (n % 1_000 === 0) db.run("BEGIN");
    db.run("INSERT INTO lh_meta VALUES (?, ?)", `n${n}`, JSON.stringify("x".repeat(2_000)));
    if (n % 1_000 === 999) db.run("COMMIT");
  }
  const shown: number[] = [];
  let isDone = false;
  const made = backUp("copy.db", { onProgress: (ratio) => shown.push(ratio) }).finally(() => {
    isDone = true;
  });
  let commits = 0;
  while (!isDone) {
    db.run("INSERT INTO lh_meta VALUES (?, '1')", `during${commits++}`);
    await macrotask();
  }

  const { path } = await made;

  expect(commits).toBeGreaterThan(10);
  expect(shown.every((ratio) => ratio >= 0 && ratio <= 1)).toBe(true);
  const copy = SqliteDatabase.openReadOnly(path);
  const { n } = copy.get("SELECT count(*) AS n FROM lh_meta WHERE name LIKE 'during%'") ?? {};
  // A prefix of what was committed: the first ones and none in between.
  expect(copy.all("SELECT name FROM lh_meta WHERE name LIKE 'during%'").map(({ name }) => Number(String(name).slice(6))).toSorted((a, b) => a - b)).toEqual(Array.from({ length: Number(n) }, (_, index) => index));
  copy.close();
});
