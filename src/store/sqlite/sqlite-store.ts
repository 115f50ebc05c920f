import { LonghaulError } from "../../base/error.ts";
import type { GroupCommit } from "../../db/group-commit.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { Write } from "../../record/write.ts";
import type { Store } from "../store.ts";
import { takeCensus } from "./census.ts";
import { completeEffect, intendEffect, isIntended, type RestoredLedger, withdrawEffect } from "./effects.ts";
import { createForgetting, forgetTask } from "./forget.ts";
import { claimKey, findKeyOf } from "./keys.ts";
import { acquireLease, assertLease, releaseLease, renewLease } from "./leases.ts";
import { insertMessageOnce, selectMessages } from "./messages.ts";
import { getMeta, listMeta, setMeta, swapMeta } from "./meta.ts";
import { loseMoneyOfTask, releaseMoney, reserveMoney, selectSpentByTask, selectSpentMoney, settleMoney } from "./money.ts";
import { markEntryDelivered, markEntryFailed, queueNotification, selectDueEntries, selectNextOutboxAtMs } from "./outbox.ts";
import { allProgress, recordProgress } from "./progress.ts";
import { appendRecord, queryRecords, selectUsageByAgent } from "./records.ts";
import { allTriggerStates, setTriggerState } from "./triggers.ts";

/*
 * The store in one SQLite file, in the tables of schema.ts.
 *
 * Everything that writes is one job of the group commit that the engine uses too, so that a refused guard takes only its own rows with it and a
 * promise resolves when the disk has it. The engine calls `apply` inside its own jobs: a step's journal entry and its writes are one transaction.
 *
 * A read must never see a half-applied group, and the writer's connection shows one to itself while a flush is under way. So a file database should
 * come with `readDb`, a second read-only connection: WAL gives each of its statements the last commit, and it neither waits for the writer nor holds it up.
 * Without one (":memory:" has only the writer's connection) a read runs at once while nothing is queued or flushed, otherwise as a job in its turn.
 * Each read is a single statement, and so a single snapshot.
 */
export interface SqliteStoreOptions {
  /** The writer's connection, with `storeMigrations` applied. */
  readonly db: SqliteDatabase;
  /** A read-only connection to the same file. */
  readonly readDb?: SqliteDatabase;
  /** The group commit of `db`. */
  readonly commit: GroupCommit;
  /** Of data that was restored from a backup: the ledger may not have all calls that were made. */
  readonly restored?: RestoredLedger;
}

export interface SqliteStore extends Store {
  /** Applies writes in the transaction that is open on `db`. @throws {TASK_KEY_TAKEN} */
  apply(db: SqliteDatabase, writes: readonly Write[]): void;
}

/** `close` waits for what was asked before and refuses the rest; the connections and the group commit are closed by whoever opened them. */
export function createSqliteStore({ db, readDb, commit, restored }: SqliteStoreOptions): SqliteStore {
  let closed = false;
  const pending = new Set<Promise<unknown>>();
  const track = async <T>(start: () => T | Promise<T>): Promise<T> => {
    if (closed) throw new LonghaulError("ENGINE_CLOSED", "The store is closed. Start again to use it.");
    const result = Promise.resolve(start());
    const settled = result.then(() => undefined, () => undefined); // Its caller gets the error; here only the end matters.
    pending.add(settled);
    void settled.then(() => pending.delete(settled));
    return await result;
  };
  const write = <T>(job: (db: SqliteDatabase) => T): Promise<T> => track(() => commit.submit(job, { mayRepeat: true }));
  const read = <T>(job: (db: SqliteDatabase) => T): Promise<T> =>
    track(() => {
      if (readDb !== undefined) return job(readDb);
      return commit.isIdle ? job(db) : commit.submit(job, { mayRepeat: true });
    });
  const forget = createForgetting();
  return {
    apply: applyWrites,
    write: (writes) => write((tx) => applyWrites(tx, writes)),
    records: {
      query: (filter) => read((tx) => queryRecords(tx, filter)),
      usageByAgent: (window) => read((tx) => selectUsageByAgent(tx, window)),
      census: () => read(takeCensus),
    },
    messages: { transcript: (headId) => read((tx) => selectMessages(tx, headId)) },
    money: {
      reserve: (reservation) => write((tx) => reserveMoney(tx, reservation)),
      release: (reservationId) => write((tx) => releaseMoney(tx, reservationId)),
      spent: (filter) => read((tx) => selectSpentMoney(tx, filter)),
      spentByTask: (tasks) => read((tx) => selectSpentByTask(tx, tasks)),
    },
    effects: {
      intend: (effect) => write((tx) => intendEffect(tx, effect, restored ?? null)),
      isIntended: (key) => read((tx) => isIntended(tx, key)),
      withdraw: (key) => write((tx) => withdrawEffect(tx, key, restored ?? null)),
    },
    progress: { all: () => read(allProgress) },
    triggers: { all: () => read(allTriggerStates) },
    outbox: {
      due: (nowMs) => read((tx) => selectDueEntries(tx, nowMs)),
      nextAtMs: () => read(selectNextOutboxAtMs),
      delivered: (id, atMs, guards = []) => write((tx) => (applyWrites(tx, guards), markEntryDelivered(tx, id, atMs))),
      failed: (id, attempt, guards = []) => write((tx) => (applyWrites(tx, guards), markEntryFailed(tx, id, attempt))),
    },
    leases: {
      acquire: (lease) => write((tx) => acquireLease(tx, lease)),
      renew: (lease) => write((tx) => renewLease(tx, lease)),
      release: (lease) => write((tx) => releaseLease(tx, lease)),
    },
    meta: {
      get: (name) => read((tx) => getMeta(tx, name)),
      set: (name, value) => write((tx) => setMeta(tx, name, value)),
      swap: (name, before, after) => write((tx) => swapMeta(tx, name, before, after)),
      list: (prefix) => read((tx) => listMeta(tx, prefix)),
    },
    keys: { heldBy: (taskId) => read((tx) => findKeyOf(tx, taskId)) },
    forget: (before, rowsMax) => write((tx) => forget(tx, before, rowsMax)),
    async close() {
      closed = true;
      await Promise.all(pending);
    },
  };
}

function applyWrites(db: SqliteDatabase, writes: readonly Write[]): void {
  for (const write of writes) applyWrite(db, write);
}

function applyWrite(db: SqliteDatabase, write: Write): void {
  switch (write.type) {
    case "record":
      return appendRecord(db, write.record);
    case "message":
      return insertMessageOnce(db, write.id, write.parentId, write.content);
    case "key.claim":
      return claimKey(db, write);
    case "lease":
      return assertLease(db, write);
    case "money.settle":
      return settleMoney(db, write);
    case "task.left":
      return loseMoneyOfTask(db, write.taskId);
    case "task.forgotten":
      return forgetTask(db, write);
    case "effect.complete":
      return completeEffect(db, write.key, write.result);
    case "progress":
      return recordProgress(db, write);
    case "outbox":
      return queueNotification(db, write);
    case "meta":
      return setMeta(db, write.name, write.value);
    case "trigger.state":
      return setTriggerState(db, write.triggerId, write.state);
  }
}
