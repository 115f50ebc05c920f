import { closeSync, fsyncSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { copyDatabase } from "../db/copy-database.ts";
import { assertKnown } from "../db/migration.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import { assertPlace, backupPlace, giveName, partialSuffix, removeRemains } from "./backup-place.ts";
import { type DataFacts, disownData, readDataFacts } from "./data-facts.ts";
import { getMeta } from "../store/sqlite/meta.ts";
import { makePrivateDirectory } from "./make-directory.ts";
import { manifestName, parseManifest } from "./manifest.ts";
import { dataMigrations } from "./open-data.ts";

export interface BackupOptions {
  /** The data file. */
  readonly from: string;
  /** A file, or a directory: then the backup gets a name of its own in it. */
  readonly to: string;
  /** Whether a backup of that name is replaced. Nothing else is. Default false. */
  readonly isForced?: boolean;
  readonly clock: Clock;
  readonly onProgress?: (ratio: number) => void;
  /** Ends it at once; nothing of it stays. */
  readonly signal?: AbortSignal;
}

/** A backup that was made. */
export interface Backup extends Omit<DataFacts, "epoch"> {
  readonly path: string;
  readonly team: string;
  readonly bytes: number;
  readonly tookMs: number;
  /** Every commit before this instant is in it. */
  readonly atMs: number;
}

/**
 * Copies a data file while a team works on it, or while none does. The file gets its name when it is whole, checked and on disk; until then, and
 * when it fails, what was there before stays.
 * @throws {STORE_NOT_FOUND} {STORE_VERSION} {BACKUP_EXISTS} {BACKUP_FAILED}
 */
export async function backUpData(options: BackupOptions): Promise<Backup> {
  const { from, to: _to, isForced = false, ...running } = options;
  const { clock } = running;
  const atMs = clock.now();
  const begunMs = clock.monotonicMs();
  const team = readTeam(from);
  const path = backupPlace(options.to, team, atMs);
  assertPlace(path, { from, isForced });
  const partial = `${path}${partialSuffix}`;
  makePrivateDirectory(dirname(path));
  removeRemains(partial);
  // What tasks were given and returned is its owner's, whatever the mask of the process says.
  closeSync(openSync(partial, "wx", 0o600));
  try {
    const bytes = await copyDatabase({ from, to: partial, changes: [disownData], check: "quick_check", ...running });
    const { epoch: _, ...facts } = readFacts(partial);
    giveName(partial, path, { from, isForced });
    syncDirectory(dirname(path));
    return { ...facts, path, team, bytes, tookMs: clock.monotonicMs() - begunMs, atMs };
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

/** The name of the team whose data file this is. @throws {STORE_NOT_FOUND} {STORE_VERSION} */
function readTeam(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) throw new LonghaulError("STORE_NOT_FOUND", `There is no data file ${path}. Start a team there first with \`longhaul start team.ts\`, or give --data.`);
  const db = SqliteDatabase.openReadOnly(path);
  try {
    assertKnown(db, dataMigrations);
    return parseManifest(getMeta(db, manifestName))?.team ?? "team";
  } finally {
    db.close();
  }
}

/** What a file holds. */
function readFacts(path: string): DataFacts {
  const db = SqliteDatabase.openReadOnly(path);
  try {
    return readDataFacts(db);
  } finally {
    db.close();
  }
}

/** A name is on disk when its directory is. */
export function syncDirectory(path: string): void {
  if (process.platform === "win32") return;
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
