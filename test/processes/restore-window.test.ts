import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { systemProcess } from "../../src/base/process.ts";
import { migrate } from "../../src/db/migration.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { acquireOwnership } from "../../src/engine/sqlite/owner.ts";
import { backUpData } from "../../src/runtime/data-backup.ts";
import { dataDirectory } from "../../src/runtime/data-directory.ts";
import { restoreData } from "../../src/runtime/data-restore.ts";
import { dataMigrations } from "../../src/runtime/open-data.ts";

let folder: string;
let backup: string;
const directory = () => dataDirectory(join(folder, "data"));
const restore = () => restoreData({ directory: directory(), backup, clock: systemClock, random: seededRandom(1) });

/** A data file that had one owner, and a backup of before much of it. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "longhaul-window-"));
  mkdirSync(directory().path);
  const db = SqliteDatabase.open(directory().database);
  migrate(db, dataMigrations);
  db.run("INSERT INTO lh_meta VALUES ('which', '\"the backup\"')");
  ({ path: backup } = await backUpData({ from: directory().database, to: join(folder, "backup.db"), clock: systemClock }));
  db.run("UPDATE lh_meta SET value = '\"what was lost\"' WHERE name = 'which'");
  acquireOwnership({ db, clock: systemClock, processInfo: systemProcess() });
  db.run("UPDATE lh_owner SET pid = NULL");
  db.run("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO lh_effect (key, state, intended_at_ms) SELECT 'k' || i, 'completed', i FROM n");
  db.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

it("is no moment at which a team that starts works on the file that is set aside", async () => {
  // The restore takes it once for the copy, and once more to replace it.
  const child = spawn(process.execPath, ["--conditions=longhaul-source", join(import.meta.dirname, "fixture", "next-owner.ts"), directory().database, "3"], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("ready");
  const closed = once(child, "close");

  const { replaced, lost } = await restore();
  const said = String((await lines.next()).value);
  await closed;

  expect(lost?.effects).toHaveLength(1_000);
  // Owned: where the restore takes so long that whoever waits for it gives up.
  expect(["ENGINE_FENCED", "ENGINE_OWNED", "worked after \"the backup\""]).toContain(said);
  const old = SqliteDatabase.openReadOnly(join(replaced ?? "", "longhaul.db"));
  expect(old.get("SELECT pid, purpose FROM lh_owner")).toEqual({ pid: null, purpose: "command" });
  expect(old.get("SELECT 1 FROM lh_meta WHERE name = 'worked'")).toBeUndefined();
  old.close();
});

it("refuses to set a file aside that it cannot take from whoever works on it, and changes nothing", async () => {
  const other = new DatabaseSync(directory().database);
  other.exec("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO lh_meta VALUES ('theirs', '1')");

  await expect(restore()).rejects.toMatchObject({ code: "SYSTEM_REFUSED", message: expect.stringMatching(/longhaul\.db could not be taken .*locked.*Nothing was changed/) as string });

  other.close();
  mkdirSync(`${directory().database}-wal`);
  await expect(restore()).rejects.toMatchObject({ code: "SYSTEM_REFUSED" });
  expect(readdirSync(directory().path).filter((name) => /restoring|replaced/.test(name))).toEqual([]);
});

it("replaces what is no data file", async () => {
  rmSync(directory().database);
  new DatabaseSync(directory().database).exec("CREATE TABLE theirs (a)");

  const { replaced } = await restore();

  expect(existsSync(join(replaced ?? "", "longhaul.db"))).toBe(true);
  expect(readFileSync(join(replaced ?? "", "longhaul.db"), "latin1")).toContain("CREATE TABLE theirs");
});

it.each(["cut in the middle", "cut to nothing", "overwritten at its beginning", "overwritten in the middle"])("replaces a data file that is %s", async (damage) => {
  const { database } = directory();
  const bytes = readFileSync(database);
  if (damage === "cut in the middle") writeFileSync(database, bytes.subarray(0, bytes.length / 2 + 100));
  if (damage === "cut to nothing") writeFileSync(database, "");
  if (damage === "overwritten at its beginning") writeFileSync(database, bytes.fill(7, 0, 5_000));
  if (damage === "overwritten in the middle") writeFileSync(database, bytes.fill(7, 5_000, bytes.length - 5_000));

  await restore();

  const db = SqliteDatabase.openReadOnly(database);
  expect(db.get("SELECT value FROM lh_meta WHERE name = 'which'")).toEqual({ value: '"the backup"' });
  db.close();
});
