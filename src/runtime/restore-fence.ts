import { existsSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import { systemProcess } from "../base/process.ts";
import { isFileFailure } from "../db/file-failure.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import { acquireOwnership } from "../engine/sqlite/owner.ts";
import { type DataFacts, disownData, readDataFacts } from "./data-facts.ts";

/** What a file says that is to be replaced: the epoch that its owner has now, and when it was written last. */
export type Fenced = Pick<DataFacts, "epoch" | "newestCommitAtMs">;

const nothingFenced: Fenced = { epoch: 0, newestCommitAtMs: null };

/**
 * Takes over the data file that is there: whoever owned it cannot write it any more, and whoever comes waits until `giveBack`. What its log holds goes into the file,
 * which is kept aside alone. Where there is none, or one that no team can work on, there is nothing to take: a file that is damaged, or of another application, is
 * what a backup is restored for; one of a newer version too, when that is to be left.
 * @throws {ENGINE_OWNED} {SYSTEM_REFUSED} when a team may work on it, or begin to.
 */
export function fence(database: string, clock: Clock): Fenced {
  if (!existsSync(database)) return nothingFenced;
  let db: SqliteDatabase | null = null;
  try {
    db = SqliteDatabase.open(database);
    const { newestCommitAtMs } = readDataFacts(db);
    const { epoch } = acquireOwnership({ db, clock, processInfo: systemProcess(), purpose: "command" });
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return { epoch, newestCommitAtMs };
  } catch (error) {
    if (isFileFailure(error)) throw refused(database, error);
    if (isLonghaulError(error) && error.code !== "STORE_VERSION") throw error;
    return nothingFenced;
  } finally {
    db?.close();
  }
}

/** The file that was taken belongs to nobody. */
export function giveBack(database: string, { epoch }: Fenced): void {
  if (epoch === 0) return;
  let db: SqliteDatabase | null = null;
  try {
    db = SqliteDatabase.open(database);
    db.exec(`${disownData} WHERE epoch = ${epoch}`);
  } catch {
    // Whoever comes finds that its owner has ended: this process is done in a moment.
  } finally {
    db?.close();
  }
}

function refused(database: string, cause: Error): LonghaulError {
  const message = `${database} could not be taken from whoever may work on it: ${messageOf(cause)}. Nothing was changed. Mend that, and restore again; when no team works on it, you can move it and what lies beside it under its name elsewhere first.`;
  return new LonghaulError("SYSTEM_REFUSED", message, { cause });
}
