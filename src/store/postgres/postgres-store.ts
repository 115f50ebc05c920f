import type { Clock } from "../../base/clock.ts";
import { LonghaulError } from "../../base/error.ts";
import { createIds } from "../../base/id.ts";
import type { Random } from "../../base/random.ts";
import type { Listening } from "../../db/postgres-notices.ts";
import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import type { Write } from "../../record/write.ts";
import type { Store } from "../store.ts";
import { takeCensus } from "./census.ts";
import { completeEffect, intendEffect, isIntended, withdrawEffect } from "./effects.ts";
import { forget, forgetMessages, forgetTask } from "./forget.ts";
import { claimKey, findKeyOf } from "./keys.ts";
import { acquireLease, assertLease, heldByOther, listenForLeases, releaseLease, renewLease } from "./leases.ts";
import { insertMessagesOnce, selectMessages, toMessageRow } from "./messages.ts";
import { getMeta, listMeta, setMeta, swapMeta } from "./meta.ts";
import { loseMoneyOfTasks, releaseMoney, reserveMoney, selectSpentByTask, selectSpentMoney, settleMoney } from "./money.ts";
import { listenForOutbox, markEntryDelivered, markEntryFailed, queueNotification, selectDueEntries, selectNextOutboxAtMs } from "./outbox.ts";
import { prepareWeeks } from "./partitions.ts";
import { allProgress, recordProgress } from "./progress.ts";
import { appendRecords, queryRecords, selectUsageByAgent, toRecordRow } from "./records.ts";
import { allTriggerStates, setTriggerState } from "./triggers.ts";
import { inLockOrder, type RowWrite } from "./write-order.ts";

/*
 * The store in one schema of a PostgreSQL database, in the tables of schema.ts, for any number of processes.
 *
 * Whatever writes is one transaction, and is done again when the connection is lost, also during COMMIT: each is idempotent. A promise resolves when PostgreSQL
 * has acknowledged. The engine calls `apply` inside its own transactions, facts of many steps in one.
 * Nothing here polls: a store that nobody asks anything sends no query.
 */
export interface PostgresStoreOptions {
  /** With `storeMigrations` applied. */
  readonly db: PostgresDatabase;
  readonly clock: Clock;
  readonly random: Random;
}

export interface PostgresStore extends Store {
  /**
   * Applies writes in the open transaction `tx`, guards first, records last. Call it last: from the first record until the commit, nobody else writes records.
   * @throws {TASK_KEY_TAKEN}
   */
  apply(tx: PostgresSession, writes: readonly Write[]): Promise<void>;
  /**
   * Makes room for the records of this week and the next two.
   * To be called at start and once a day; without it they are kept all the same, but retention has to delete them one by one.
   */
  prepareRecords(): Promise<void>;
  /** Calls `onFree` when another process gave up a lease, and when it may have, until the store is closed. */
  listenForLeases(onFree: () => void): void;
  /** Calls `onQueued` when a process queued a notification, and when one may have, until it is closed. */
  listenForOutbox(onQueued: () => void): Listening;
  /** Deletes what was said in transcripts that no record names any more. Reads all records. */
  forgetMessages(): Promise<void>;
}

/** `close` waits for what was asked before and refuses the rest; the database is closed by whoever opened it. */
export function createPostgresStore({ db, clock, random }: PostgresStoreOptions): PostgresStore {
  const ids = createIds(clock, random);
  const calls = new Calls();
  const listening: Listening[] = [];
  /** What reads, or is one statement that may come twice. */
  const read = <T>(job: (session: PostgresDatabase) => Promise<T>): Promise<T> => calls.track(() => job(db));
  const write = <T>(job: (tx: PostgresSession) => Promise<T>): Promise<T> => calls.track(() => db.transaction(job, { idempotent: true }));
  return {
    apply: applyWrites,
    listenForLeases: (onFree) => void listening.push(listenForLeases(db, onFree)),
    listenForOutbox: (onQueued) => listenForOutbox(db, onQueued),
    prepareRecords: () => read((session) => prepareWeeks(session, clock.now())),
    keys: { heldBy: (taskId) => read((session) => findKeyOf(session, taskId)) },
    forgetMessages: () => read(forgetMessages),
    forget: (before, rowsMax) => read((session) => forget(session, before, rowsMax)),
    write: (writes) => write((tx) => applyWrites(tx, writes)),
    records: {
      query: (filter) => read((session) => queryRecords(session, filter)),
      usageByAgent: (window) => read((session) => selectUsageByAgent(session, window)),
      census: () => read((session) => session.transaction(takeCensus, { isolation: "repeatable read", readOnly: true })),
    },
    messages: { transcript: (headId) => read((session) => selectMessages(session, headId)) },
    money: {
      reserve: (reservation) => write((tx) => reserveMoney(tx, reservation)),
      release: (reservationId) => write((tx) => releaseMoney(tx, reservationId)),
      spent: (filter) => read((session) => selectSpentMoney(session, filter)),
      spentByTask: (tasks) => read((session) => selectSpentByTask(session, tasks)),
    },
    effects: {
      intend: (effect) => {
        const token = ids("intent");
        return write((tx) => intendEffect(tx, effect, token));
      },
      isIntended: (key) => read((session) => isIntended(session, key)),
      withdraw: (key) => write((tx) => withdrawEffect(tx, key)),
    },
    progress: { all: () => read(allProgress) },
    triggers: { all: () => read(allTriggerStates) },
    outbox: {
      due: (nowMs) => read((session) => selectDueEntries(session, nowMs)),
      nextAtMs: () => read(selectNextOutboxAtMs),
      delivered: (id, atMs, guards = []) => write((tx) => applyWrites(tx, guards).then(() => markEntryDelivered(tx, id, atMs))),
      failed: (id, attempt, guards = []) => write((tx) => applyWrites(tx, guards).then(() => markEntryFailed(tx, id, attempt))),
    },
    leases: {
      acquire: async (lease) => (await read((session) => heldByOther(session, lease))) ?? (await write((tx) => acquireLease(tx, lease))),
      renew: (lease) => read((session) => renewLease(session, lease)),
      release: (lease) => write((tx) => releaseLease(tx, lease)),
    },
    meta: {
      get: (name) => read((session) => getMeta(session, name)),
      set: (name, value) => write((tx) => setMeta(tx, name, value)),
      swap: (name, before, after) => write((tx) => swapMeta(tx, name, before, after)),
      list: (prefix) => read((session) => listMeta(session, prefix)),
    },
    async close() {
      for (const listener of listening.splice(0)) listener.close();
      await calls.close();
    },
  };
}

/** Calls under way, so that `close` can wait for them and refuse more. */
class Calls {
  readonly #pending = new Set<Promise<unknown>>();
  #isClosed = false;

  async track<T>(start: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new LonghaulError("ENGINE_CLOSED", "The store is closed. Start again to use it.");
    const result = start();
    const settled = result.then(() => undefined, () => undefined); // Its caller gets the error; here only the end matters.
    this.#pending.add(settled);
    void settled.then(() => this.#pending.delete(settled));
    return await result;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#pending);
  }
}

/** Guards and single values in the order of locks, then what is written by one statement each; records last, since they make others wait. */
async function applyWrites(tx: PostgresSession, writes: readonly Write[]): Promise<void> {
  const ordered = inLockOrder(writes.filter((write) => write.type !== "record" && write.type !== "message"));
  for (const alike of Object.values(Object.groupBy(ordered, ({ type }) => type))) await applyAlike(tx, alike);
  await insertMessagesOnce(tx, writes.flatMap((write) => (write.type === "message" ? [toMessageRow(write)] : [])));
  await appendRecords(tx, writes.flatMap((write) => (write.type === "record" ? [toRecordRow(write.record)] : [])));
}

async function applyAlike(tx: PostgresSession, writes: readonly RowWrite[]): Promise<void> {
  const settlements = writes.filter((write) => write.type === "money.settle");
  if (settlements.length > 0) await settleMoney(tx, settlements);
  const left = writes.filter((write) => write.type === "task.left");
  if (left.length > 0) await loseMoneyOfTasks(tx, left.map(({ taskId }) => taskId));
  for (const write of writes) if (write.type !== "money.settle" && write.type !== "task.left") await applyWrite(tx, write);
}

function applyWrite(tx: PostgresSession, write: Exclude<RowWrite, { readonly type: "money.settle" | "task.left" }>): Promise<void> {
  switch (write.type) {
    case "key.claim":
      return claimKey(tx, write);
    case "lease":
      return assertLease(tx, write);
    case "task.forgotten":
      return forgetTask(tx, write);
    case "effect.complete":
      return completeEffect(tx, write.key, write.result);
    case "progress":
      return recordProgress(tx, write);
    case "outbox":
      return queueNotification(tx, write);
    case "meta":
      return setMeta(tx, write.name, write.value);
    case "trigger.state":
      return setTriggerState(tx, write.triggerId, write.state);
  }
}
