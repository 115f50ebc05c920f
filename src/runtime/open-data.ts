import type { Clock } from "../base/clock.ts";
import { systemProcess } from "../base/process.ts";
import { GroupCommit } from "../db/group-commit.ts";
import { migrate } from "../db/migration.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import type { Engine, ObserveTask } from "../engine/engine.ts";
import { engineMigrations } from "../engine/sqlite/engine-migrations.ts";
import { acquireOwnership, type Ownership } from "../engine/sqlite/owner.ts";
import { createSqliteEngine } from "../engine/sqlite/sqlite-engine.ts";
import type { Store } from "../store/store.ts";
import { storeMigrations } from "../store/sqlite/schema.ts";
import { createSqliteStore } from "../store/sqlite/sqlite-store.ts";

export interface OpenDataOptions {
  /** The SQLite file; null: in memory. */
  readonly file: string | null;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  readonly observe: ObserveTask;
  /** Something was committed. */
  readonly onCommit: () => void;
  readonly onFenced: () => void;
}

/** Engine and store over one data file that this process owns. */
export interface OpenData {
  readonly engine: Engine;
  readonly store: Store;
  close(): Promise<void>;
}

/** Every migration of a data file, in order. */
export const dataMigrations = [...engineMigrations, ...storeMigrations];

/**
 * Opens a data file, brings it up to date and takes it over.
 * @throws {ENGINE_OWNED} when a live process owns it. @throws {STORE_VERSION} when a newer version wrote it.
 */
export function openData(options: OpenDataOptions): OpenData {
  const { file, clock, ids, observe, onCommit, onFenced } = options;
  const db = SqliteDatabase.open(file ?? ":memory:");
  let ownership: Ownership | undefined;
  try {
    migrate(db, dataMigrations);
    ownership = file === null ? undefined : acquireOwnership({ db, clock, processInfo: systemProcess() });
  } catch (error) {
    db.close();
    throw error;
  }
  const commit = new GroupCommit({ db, ...(ownership === undefined ? {} : { guard: ownership.guard }) });
  const readDb = file === null ? undefined : SqliteDatabase.openReadOnly(file);
  const sqliteStore = createSqliteStore({ db, commit, ...(readDb === undefined ? {} : { readDb }) });
  const store = announcing(sqliteStore, onCommit);
  const engine = createSqliteEngine({
    db, commit, clock, ids, observe, onFenced,
    ...(ownership === undefined ? {} : { ownership }),
    apply(connection, writes) {
      sqliteStore.apply(connection, writes);
      onCommit();
    },
  });
  return {
    engine,
    store,
    async close() {
      await engine.close();
      await sqliteStore.close();
      await commit.close();
      readDb?.close();
      db.close();
    },
  };
}

/** The store, telling of each of its own commits. */
function announcing(store: Store, onCommit: () => void): Store {
  return {
    ...store,
    async write(writes) {
      await store.write(writes);
      onCommit();
    },
  };
}
