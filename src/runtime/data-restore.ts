import { closeSync, existsSync, linkSync, mkdirSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Clock } from "../base/clock.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import { createIds } from "../base/id.ts";
import type { Json } from "../base/json.ts";
import type { Random } from "../base/random.ts";
import { copyDatabase } from "../db/copy-database.ts";
import { assertKnown } from "../db/migration.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import { type DataFacts, disownData, listLost, type LostWork, readDataFacts, readNewestRows, setEpochAbove } from "./data-facts.ts";
import { toLogRecord } from "../record/log-record.ts";
import { isSameFile } from "./backup-place.ts";
import { syncDirectory } from "./data-backup.ts";
import type { DataDirectory } from "./data-directory.ts";
import { makePrivateDirectory } from "./make-directory.ts";
import { manifestName, parseManifest } from "./manifest.ts";
import { dataMigrations, openData } from "./open-data.ts";
import { type Fenced, fence, giveBack } from "./restore-fence.ts";
import { type RestoreMark, restoreMarkName } from "./restore-mark.ts";

export interface RestoreOptions {
  readonly directory: DataDirectory;
  readonly backup: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onProgress?: (ratio: number) => void;
}

/** What was put in place. */
export interface Restored extends Omit<DataFacts, "epoch"> {
  readonly team: string;
  readonly bytes: number;
  /** Where what was there before is now; null: there was nothing. */
  readonly replaced: string | null;
  /** By how much the clock of this machine is behind the newest commit of the backup, or of what was here; 0: it is not. */
  readonly clockBehindMs: number;
  /** What of it the backup does not have; null where nothing was there, or it cannot be read. */
  readonly lost: LostWork | null;
}

/**
 * Puts a backup in the place of a data file that nobody owns. The one before is fenced, so that a process that was thought dead cannot write it, and kept
 * aside. Until the new one is whole and checked, nothing of the old one changes; its name changes its file in one instant.
 * @throws {STORE_NOT_FOUND} {STORE_VERSION} {BACKUP_DAMAGED} {ENGINE_OWNED} {SYSTEM_REFUSED} {BACKUP_FAILED}
 */
export async function restoreData(options: RestoreOptions): Promise<Restored> {
  const { directory, backup, clock } = options;
  assertRestorable(resolve(backup), directory);
  makePrivateDirectory(directory.path);
  const before = fence(directory.database, clock);
  giveBack(directory.database, before);
  const restoring = `${directory.database}.restoring`;
  for (const suffix of fileSuffixes) rmSync(`${restoring}${suffix}`, { force: true });
  closeSync(openSync(restoring, "wx", 0o600));
  try {
    const bytes = await copyBackup(options, restoring);
    const { facts, team, clockBehindMs } = await prepare(options, restoring, before);
    const lost = findLost(directory.database, restoring);
    const replaced = replace(directory, restoring, clock);
    return { ...facts, team, bytes, replaced, clockBehindMs, lost };
  } finally {
    for (const suffix of fileSuffixes) rmSync(`${restoring}${suffix}`, { force: true });
  }
}

const fileSuffixes = ["", "-wal", "-shm"] as const;

function assertRestorable(backup: string, { database }: DataDirectory): void {
  if (statSync(backup, { throwIfNoEntry: false })?.isFile() !== true) throw new LonghaulError("STORE_NOT_FOUND", `There is no file ${backup}. Give a file that a backup made.`);
  if (isSameFile(backup, database)) throw new LonghaulError("BACKUP_EXISTS", `${backup} is the data file itself. Give a file that a backup made, or another --data directory.`);
  try {
    const db = SqliteDatabase.openReadOnly(backup);
    try {
      if (!db.isOurs) throw new Error("it is no data file of longhaul");
      assertKnown(db, dataMigrations);
    } finally {
      db.close();
    }
  } catch (error) {
    if (isLonghaulError(error)) throw error;
    throw damaged(backup, messageOf(error), error);
  }
}

async function copyBackup({ backup, clock, onProgress }: RestoreOptions, restoring: string): Promise<number> {
  try {
    return await copyDatabase({ from: resolve(backup), to: restoring, changes: [disownData], check: "integrity_check", clock, ...(onProgress === undefined ? {} : { onProgress }) });
  } catch (error) {
    const errcode = isLonghaulError(error) ? error.details["errcode"] : null;
    if (errcode === "damaged" || (typeof errcode === "number" && damagedErrcodes.includes(errcode % 256))) throw damaged(resolve(backup), messageOf(error), error);
    throw error;
  }
}

/** What SQLite calls: malformed, not a database. */
const damagedErrcodes: readonly number[] = [11, 26];

function damaged(backup: string, why: string, cause: unknown): LonghaulError {
  return new LonghaulError("BACKUP_DAMAGED", `${backup} cannot be restored: ${why}. Nothing was changed. Restore another backup.`, { cause });
}

/** Brings the copy to this version's format, and writes into it what it is. */
async function prepare({ backup, clock, random }: RestoreOptions, restoring: string, replaced: Fenced): Promise<Pick<Restored, "team" | "clockBehindMs"> & { readonly facts: Omit<DataFacts, "epoch"> }> {
  const ids = createIds(clock, random);
  const { before, newest } = readFile(restoring, (db) => ({ before: readDataFacts(db), newest: readNewestRows(db) }));
  // Its owner to come is above those of the file that it replaces, which is fenced a second time before it is.
  readWrite(restoring, (db) => setEpochAbove(db, replaced.epoch + 1));
  const data = openData({ file: restoring, clock, ids, observe: () => [], redact: (value) => value, onCommit: () => undefined, onFenced: () => undefined, ownership: { purpose: "command" } });
  try {
    const team = parseManifest(await data.store.meta.get(manifestName))?.team ?? "team";
    const nowMs = clock.now();
    const restoredAtMs = Math.max(nowMs, before.newestCommitAtMs ?? 0, replaced.newestCommitAtMs ?? 0);
    const mark: RestoreMark = { restoredAtMs, newest, recoveryPointAtMs: before.newestCommitAtMs, from: resolve(backup), isTold: false };
    const reason = `The data was restored from a backup whose newest commit is of ${before.newestCommitAtMs === null ? "no time" : new Date(before.newestCommitAtMs).toISOString()}: what was done later is not known.`;
    await data.store.write([
      { type: "meta", name: restoreMarkName, value: mark as unknown as Json },
      { type: "record", record: toLogRecord(ids("e"), nowMs, team, { event_type: "control", result: "restored", reason, data: { from: mark.from, recoveryPointAtMs: mark.recoveryPointAtMs } }) },
    ]);
    const { epoch: _, ...facts } = before;
    return { facts, team, clockBehindMs: restoredAtMs - nowMs };
  } finally {
    await data.close();
  }
}

function findLost(old: string, restoring: string): LostWork | null {
  if (!existsSync(old)) return null;
  try {
    return readFile(old, (db) => listLost(db, restoring));
  } catch {
    return null; // It is damaged, or has other tables: nobody can say.
  }
}

/** It took a while: somebody may have started there meanwhile, and nobody may from here on until the new file is there. */
function replace(directory: DataDirectory, restoring: string, clock: Clock): string | null {
  const fenced = fence(directory.database, clock);
  let replaced: string | null = null;
  try {
    readWrite(restoring, (db) => setEpochAbove(db, fenced.epoch + 1));
    replaced = exchange(directory, restoring, clock.now());
    return replaced;
  } finally {
    giveBack(replaced === null ? directory.database : join(replaced, "longhaul.db"), fenced);
  }
}

/** The new file has the name of the old one, which is kept aside. Returns where that is. */
function exchange({ path, database }: DataDirectory, restoring: string, nowMs: number): string | null {
  const aside = join(path, `replaced-${new Date(nowMs).toISOString().replaceAll(":", "-")}`);
  const name = (suffix: string): string => join(aside, `longhaul.db${suffix}`);
  const hasOld = fileSuffixes.some((suffix) => existsSync(`${database}${suffix}`));
  if (hasOld) {
    mkdirSync(aside, { mode: 0o700 });
    // First the log, if there still is one: SQLite would apply it to the new file.
    for (const suffix of ["-wal", "-shm"] as const) if (existsSync(`${database}${suffix}`)) renameSync(`${database}${suffix}`, name(suffix));
    if (existsSync(database)) keepAside(database, name(""));
    syncDirectory(aside);
  }
  renameSync(restoring, database);
  syncDirectory(path);
  return hasOld ? aside : null;
}

/** By a second name, where the file system has links: so there is a data file at each instant, and nobody begins with an empty one. */
function keepAside(database: string, aside: string): void {
  try {
    linkSync(database, aside);
  } catch {
    renameSync(database, aside);
  }
}

function readFile<T>(path: string, body: (db: SqliteDatabase) => T): T {
  const db = SqliteDatabase.openReadOnly(path);
  try {
    return body(db);
  } finally {
    db.close();
  }
}

function readWrite(path: string, body: (db: SqliteDatabase) => void): void {
  const db = SqliteDatabase.open(path);
  try {
    body(db);
  } finally {
    db.close();
  }
}
