import { LonghaulError } from "../base/error.ts";
import { macrotask, onNextTurn } from "../base/turn.ts";
import { settledInMicrotasks } from "./settled-in-microtasks.ts";
import { isFileFailure } from "./file-failure.ts";
import type { SqliteDatabase } from "./sqlite.ts";

/** Work inside a commit. It may return a promise, but one that settles in microtasks only: the commit does not wait for the outside. */
export type CommitJob<T> = (db: SqliteDatabase) => T | Promise<T>;

export interface GroupCommitOptions {
  readonly db: SqliteDatabase;
  /** Runs first in every transaction. What it throws refuses all jobs of the group: the ownership check stands here. */
  readonly guard?: (db: SqliteDatabase) => void;
  /** Told after each group: null when all of it is on disk, else why the file took it not, or not whole. */
  readonly onOutcome?: (failure: Error | null) => void;
  /** Told at the two instants of a commit at which a crash makes a difference. It only looks: the lab copies the file there. */
  readonly watch?: CommitWatch;
}

/** The instants around each COMMIT: everything is applied and nothing is on disk; all of it is on disk and nobody was told. */
export interface CommitWatch {
  readonly before: () => void;
  readonly after: () => void;
}

interface Pending {
  readonly job: CommitJob<unknown>;
  readonly settle: { readonly resolve: (value: unknown) => void; readonly reject: (error: unknown) => void };
}

type Applied = { readonly pending: Pending; readonly ok: boolean; readonly value: unknown };

/** Jobs in one transaction at the most. */
const groupSizeMax = 500;

/**
 * The only writer of a data file. Jobs that are submitted in the same turn of the event loop share one transaction and one fsync, in the order of
 * their submission; each has a savepoint of its own, so that one that throws takes nobody else's rows with it.
 * A promise of `submit` settles after the transaction is on disk.
 */
export class GroupCommit {
  readonly #db: SqliteDatabase;
  readonly #guard: ((db: SqliteDatabase) => void) | undefined;
  readonly #onOutcome: (failure: Error | null) => void;
  readonly #watch: CommitWatch | undefined;
  #queue: Pending[] = [];
  #flushing = false;
  #closed = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: GroupCommitOptions) {
    this.#db = options.db;
    this.#guard = options.guard;
    this.#onOutcome = options.onOutcome ?? (() => undefined);
    this.#watch = options.watch;
  }

  /** @throws {ENGINE_CLOSED} after close. */
  submit<T>(job: CommitJob<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new LonghaulError("ENGINE_CLOSED", "The data file is closed. Start again to write."));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ job, settle: { resolve: resolve as (value: unknown) => void, reject } });
      if (!this.#flushing) {
        this.#flushing = true;
        onNextTurn(() => void this.#flush());
      }
    });
  }

  get isIdle(): boolean {
    return !this.#flushing && this.#queue.length === 0;
  }

  /** Commits what is queued, then refuses more. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.isIdle) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, groupSizeMax);
      await this.#commitGroup(group);
      // Callers that submit again at once must not keep timers and sockets waiting.
      if (this.#queue.length > 0) await macrotask();
    }
    this.#flushing = false;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  async #commitGroup(group: readonly Pending[]): Promise<void> {
    let applied: Applied[] = [];
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      this.#guard?.(this.#db);
      for (const pending of group) applied.push(await this.#apply(pending));
      this.#watch?.before();
      this.#db.exec("COMMIT");
      this.#watch?.after();
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      applied = group.map((pending) => ({ pending, ok: false, value: error }));
    }
    this.#onOutcome(applied.map(({ ok, value }) => (ok ? null : value)).find(isFileFailure) ?? null);
    for (const { pending, ok, value } of applied) {
      if (ok) pending.settle.resolve(value);
      else pending.settle.reject(value);
    }
  }

  async #apply(pending: Pending): Promise<Applied> {
    this.#db.exec("SAVEPOINT job");
    try {
      const returned = pending.job(this.#db);
      const value = returned instanceof Promise ? await settledInMicrotasks(returned) : returned;
      this.#db.exec("RELEASE job");
      return { pending, ok: true, value };
    } catch (error) {
      // A full disk may have ended the whole transaction; then the group's COMMIT fails and everybody is told.
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK TO job; RELEASE job");
      else throw error;
      return { pending, ok: false, value: error };
    }
  }
}
