import type { LiveWorker } from "../engine/restate/team-address.ts";
import { closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import type { Json } from "../base/json.ts";
import { systemProcess } from "../base/process.ts";
import { type CommitWatch, GroupCommit } from "../db/group-commit.ts";
import { assertKnown, migrate } from "../db/migration.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import type { Engine, EngineAgent, EngineDuty, Execute, ObserveTask } from "../engine/engine.ts";
import { engineMigrations } from "../engine/sqlite/engine-migrations.ts";
import { acquireOwnership, type Ownership, type OwnershipOptions } from "../engine/sqlite/owner.ts";
import { createSqliteEngine } from "../engine/sqlite/sqlite-engine.ts";
import type { Task } from "../record/task.ts";
import type { Store } from "../store/store.ts";
import { getMeta } from "../store/sqlite/meta.ts";
import { storeMigrations } from "../store/sqlite/schema.ts";
import { createSqliteStore } from "../store/sqlite/sqlite-store.ts";
import { createFileUpkeep } from "./file-upkeep.ts";
import type { StorageUpkeep } from "./storage-upkeep.ts";
import { makePrivateDirectory } from "./make-directory.ts";
import { redactWrites } from "./redact-writes.ts";
import { findDoubt } from "./restore-doubt.ts";
import { parseRestoreMark, restoreMarkName } from "./restore-mark.ts";

export interface OpenDataOptions {
  /** The SQLite file; null: in memory. */
  readonly file: string | null;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  readonly observe: ObserveTask;
  /** A task that was observed is on disk as it was; on a cluster, where it ended by this process. */
  readonly onTask?: (task: Task) => void;
  /** Blanks out secrets in records, transcripts and notifications. */
  readonly redact: <T extends Json>(value: T) => T;
  /** Something was committed. */
  readonly onCommit: () => void;
  readonly onFenced: (error: Error) => void;
  /** What became of a group of writes: null when it is on disk. */
  readonly onOutcome?: (failure: Error | null) => void;
  /** Looks on at each commit. */
  readonly watchCommits?: CommitWatch;
  /** Default: those of `acquireOwnership`. */
  readonly ownership?: Pick<OwnershipOptions, "leaseMs" | "purpose">;
}

/** Engine and store: over one data file that this process owns, or on a cluster. */
export interface OpenData {
  readonly engine: Engine;
  readonly store: Store;
  /** Not null where several processes serve the team: what this one has read goes stale without its doing. */
  readonly shared: SharedData | null;
  readonly upkeep: StorageUpkeep;
  /** While it is held, no task begins or goes on that does not execute already. What is submitted is taken. On a cluster nothing is held: its disk is another machine's. */
  hold(isHeld: boolean): void;
  readonly isHeld: boolean;
  close(): Promise<void>;
}

export interface SharedData {
  /** Names this process, for people. */
  readonly worker: string;
  /** The workers that live, in the order in which they came. */
  workers(): Promise<readonly LiveWorker[]>;
  /** These workers died of exhausted memory: it is counted of the tasks that they had, once. */
  countExhausted(workers: readonly string[]): Promise<void>;
  /** What the engine does in one process at a time. */
  readonly duty: EngineDuty;
  /** Executes these agents behind a fetch handler that Restate calls, instead of `engine.run`. */
  serve(agents: readonly EngineAgent[], execute: Execute): Promise<(request: Request) => Promise<Response>>;
  /** Makes room for the records to come, now and then. Part of the duties. */
  readonly keepRoom: () => Timer;
  /** Calls `listener` when another process may have given up the duties. */
  onNews(listener: () => void): void;
  /** Calls `listener` when a process has queued what people are to be told, and when one may have, until it is closed. */
  readonly onQueued: (listener: () => void) => { close(): void };
}

/** Every migration of a data file, in order. */
export const dataMigrations = [...engineMigrations, ...storeMigrations];

/**
 * Opens a data file, brings it up to date and takes it over.
 * @throws {ENGINE_OWNED} when a live process owns it. @throws {STORE_VERSION} when a newer version wrote it: then nothing of it is touched.
 */
export function openData(options: OpenDataOptions): OpenData {
  const { file, clock, ids, observe, redact, onCommit, onFenced } = options;
  if (file !== null) createPrivateFile(file);
  const db = SqliteDatabase.open(file ?? ":memory:");
  let ownership: Ownership | undefined;
  try {
    // Whoever is refused has not changed the owner's tables: only a file that nobody ever owned is brought up to date before it is taken.
    if (isOwnable(db)) assertKnown(db, dataMigrations);
    else migrate(db, dataMigrations);
    ownership = file === null ? undefined : acquireOwnership({ db, clock, processInfo: systemProcess(), ...options.ownership });
    migrate(db, dataMigrations);
  } catch (error) {
    db.close();
    throw error;
  }
  const commit = new GroupCommit({
    db,
    ...(ownership === undefined ? {} : { guard: ownership.guard }),
    ...(options.onOutcome === undefined ? {} : { onOutcome: options.onOutcome }),
    ...(options.watchCommits === undefined ? {} : { watch: options.watchCommits }),
  });
  const readDb = file === null ? undefined : SqliteDatabase.openReadOnly(file);
  const mark = parseRestoreMark(getMeta(db, restoreMarkName));
  const sqliteStore = createSqliteStore({ db, commit, ...(readDb === undefined ? {} : { readDb }), ...(mark === null ? {} : { restored: { atMs: mark.restoredAtMs, newestRow: mark.newest.effect, doubtOf: (tx, { taskId, runId }) => findDoubt(tx, mark, taskId, runId) } }) });
  const store: Store = {
    ...sqliteStore,
    async write(writes) {
      await sqliteStore.write(redactWrites(writes, redact));
      onCommit();
    },
  };
  const engine = createSqliteEngine({
    db, commit, clock, ids, observe, onFenced,
    ...(ownership === undefined ? {} : { ownership }),
    ...(options.onTask === undefined ? {} : { onTask: options.onTask }),
    apply(connection, writes) {
      sqliteStore.apply(connection, redactWrites(writes, redact));
      onCommit();
    },
  });
  return {
    engine,
    store,
    shared: null,
    upkeep: createFileUpkeep(db, commit),
    hold: (isHeld) => engine.hold(isHeld),
    get isHeld() {
      return engine.isHeld;
    },
    async close() {
      await engine.close();
      await sqliteStore.close();
      await commit.close();
      readDb?.close();
      db.close();
    },
  };
}

/** The data file holds what tasks were given and returned: it is its owner's, whatever the mask of the process says. */
function createPrivateFile(file: string): void {
  makePrivateDirectory(dirname(file));
  closeSync(openSync(file, "a", 0o600));
}

function isOwnable(db: SqliteDatabase): boolean {
  return db.get("SELECT 1 FROM sqlite_schema WHERE name = 'lh_owner'") !== undefined;
}
