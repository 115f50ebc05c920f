import { statSync } from "node:fs";
import { basename } from "node:path";
import { type Clock, systemClock } from "../../base/clock.ts";
import { LonghaulError, messageOf } from "../../base/error.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import type { OperatorReading } from "../operator-reading.ts";
import { takeCensus } from "./census.ts";
import { findKeyOf } from "./keys.ts";
import { selectMessages } from "./messages.ts";
import { getMeta, listMeta } from "./meta.ts";
import { selectSpentMoney } from "./money.ts";
import { listOutbox } from "./outbox.ts";
import { allProgress } from "./progress.ts";
import { runReadingQuery } from "./reading-query.ts";
import { queryRecords, selectUsageByAgent } from "./records.ts";
import { storeMigrations } from "./schema.ts";
import { runTimedQuery } from "./timed-query.ts";
import { allTriggerStates } from "./triggers.ts";

/** A data file, opened for reading. */
export interface OperatorStore extends OperatorReading {
  close(): void;
}

/**
 * Opens a data file for reading only. It has a connection of its own: it works beside the process that writes and never makes it wait.
 * @throws {STORE_NOT_FOUND} when there is no data. @throws {SYSTEM_REFUSED} when this user may not read it. @throws {STORE_VERSION} when the file's format is another one than this version reads.
 */
export function openOperatorStore(path: string, clock: Clock = systemClock): OperatorStore {
  const db = openExisting(path);
  const read = async <T>(job: (db: SqliteDatabase) => T): Promise<T> => job(db);
  return {
    records: {
      query: (filter) => read((tx) => queryRecords(tx, filter)),
      usageByAgent: (window) => read((tx) => selectUsageByAgent(tx, window)),
      census: () => read(takeCensus),
    },
    messages: { transcript: (headId) => read((tx) => selectMessages(tx, headId)) },
    money: { spent: (filter) => read((tx) => selectSpentMoney(tx, filter)) },
    progress: { all: () => read(allProgress) },
    triggers: { all: () => read(allTriggerStates) },
    meta: { get: (name) => read((tx) => getMeta(tx, name)), list: (prefix) => read((tx) => listMeta(tx, prefix)) },
    keys: { heldBy: (taskId) => read((tx) => findKeyOf(tx, taskId)) },
    outbox: { list: () => read(listOutbox) },
    query: (sql, { rowsMax, timeoutMs } = {}) => {
      const rows = rowsMax === undefined ? {} : { rowsMax };
      return timeoutMs === undefined ? read((tx) => runReadingQuery(tx, sql, rows)) : runTimedQuery({ path, sql, timeoutMs, ...rows }, clock);
    },
    close: () => db.close(),
  };
}

function openExisting(path: string): SqliteDatabase {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) throw new LonghaulError("STORE_NOT_FOUND", `There is no data file ${path}. Start a team there first, or give another --data directory.`);
  let db: SqliteDatabase | null = null;
  try {
    db = SqliteDatabase.openReadOnly(path);
    const isMigrated = db.allOnce("SELECT 1 FROM sqlite_schema WHERE name = 'lh_migration'").length > 0;
    const applied = isMigrated ? db.allOnce("SELECT name FROM lh_migration").map((row) => String(row["name"])) : [];
    assertReadable(path, applied, storeMigrations.map(({ name }) => name));
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof LonghaulError) throw error;
    if (isRefused(error)) throw new LonghaulError("SYSTEM_REFUSED", notPermitted(path, error), { cause: error });
    throw new LonghaulError("STORE_NOT_FOUND", `${path} cannot be read as a data file of longhaul: ${messageOf(error)}. Give the --data directory of a team.`, { cause: error });
  }
}

/** What SQLite calls a file, or one beside it, that it may not write or cannot open. */
const refusedErrcodes: readonly number[] = [8, 14];

function isRefused(error: unknown): error is Error {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" && refusedErrcodes.includes(error.errcode & 0xff);
}

function notPermitted(path: string, error: Error): string {
  return `${path} cannot be read by this user (${error.message}). Who reads beside a team has to write too: SQLite coordinates both in ${basename(path)}-shm beside the file. Read it as the user of the team, or let this user write the directory and the files in it, or copy ${basename(path)} and, where there is one, ${basename(path)}-wal to a directory of this user and name that with --data.`;
}

/** Compares the store's migrations that a file holds with those that this version reads; the engine's own are not looked at. */
export function assertReadable(path: string, applied: readonly string[], known: readonly string[]): void {
  const ours = applied.filter((name) => name.endsWith("-store"));
  if (ours.length === 0) throw new LonghaulError("STORE_NOT_FOUND", `${path} holds no data of a team yet. Start a team there first, or give another --data directory.`);
  const newer = ours.filter((name) => !known.includes(name));
  if (newer.length > 0) throw new LonghaulError("STORE_VERSION", `${path} was written by a newer version of longhaul (it has ${newer.join(", ")}). Read it with that version.`);
  const missing = known.filter((name) => !applied.includes(name));
  if (missing.length > 0) throw new LonghaulError("STORE_VERSION", `${path} was written by an older version of longhaul (it lacks ${missing.join(", ")}). Start the team once with this version.`);
}
