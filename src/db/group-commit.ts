import { assert } from "../base/assert.ts";
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
  /** `db` is the writer's own connection: the lab makes its disk full by a page limit, and asks it how it syncs. */
  readonly before: (db: SqliteDatabase) => void;
  readonly after: () => void;
}

export interface SubmitOptions {
  /** The job may be called again in the same commit, after all that it did in the file was undone. It must put right itself what it changed elsewhere. Default false. */
  readonly mayRepeat?: boolean;
}

/** Who is told, in the order of submission, that a job is on disk, or why it is not. Neither may throw. */
export interface Settle<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

interface Pending {
  readonly job: CommitJob<unknown>;
  readonly mayRepeat: boolean;
  readonly settle: Settle<unknown>;
}

type Applied = { readonly pending: Pending; readonly ok: boolean; readonly value: unknown };

/** Jobs in one transaction at the most. */
const groupSizeMax = 500;
/** After a group in which a job threw, so many are made with savepoints from the start: where many throw, few groups are made twice. */
const carefulGroupsMax = 16;

/**
 * The only writer of a data file. Jobs that are submitted in the same turn of the event loop share one transaction and one fsync, in the order of
 * their submission. One that throws takes nobody else's rows with it: jobs have savepoints. As these are dear (each keeps a copy of every page that the job
 * changes), jobs that may be repeated are first applied without; when one of them throws, all of it is undone and the group is applied again, with savepoints.
 * A promise of `submit` settles after the transaction is on disk.
 */
export class GroupCommit {
  readonly #db: SqliteDatabase;
  readonly #guard: ((db: SqliteDatabase) => void) | undefined;
  readonly #onOutcome: (failure: Error | null) => void;
  readonly #watch: CommitWatch | undefined;
  #queue: Pending[] = [];
  #flushing = false;
  /** Groups that are applied with savepoints, whatever their jobs. */
  #carefulGroups = 0;
  #closed = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: GroupCommitOptions) {
    this.#db = options.db;
    this.#guard = options.guard;
    this.#onOutcome = options.onOutcome ?? (() => undefined);
    this.#watch = options.watch;
  }

  /** @throws {ENGINE_CLOSED} after close. */
  submit<T>(job: CommitJob<T>, { mayRepeat = false }: SubmitOptions = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => this.enqueue(job, { resolve, reject }, mayRepeat));
  }

  /** As `submit`, without a promise of its own: that costs as much as a small job. */
  enqueue<T>(job: CommitJob<T>, settle: Settle<T>, mayRepeat: boolean): void {
    if (this.#closed) {
      settle.reject(new LonghaulError("ENGINE_CLOSED", "The data file is closed. Start again to write."));
      return;
    }
    this.#queue.push({ job, mayRepeat, settle: settle as Settle<unknown> });
    if (this.#flushing) return;
    this.#flushing = true;
    onNextTurn(() => void this.#flush());
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
      this.#begin();
      applied = (await this.#applyPlainly(group)) ?? (await this.#applyCarefully(group));
      this.#watch?.before(this.#db);
      this.#db.run("COMMIT");
      this.#watch?.after();
    } catch (error) {
      if (this.#db.inTransaction) this.#db.run("ROLLBACK");
      applied = group.map((pending) => ({ pending, ok: false, value: error }));
    }
    this.#onOutcome(applied.find(({ ok, value }) => !ok && isFileFailure(value))?.value as Error | undefined ?? null);
    for (const { pending, ok, value } of applied) {
      if (ok) pending.settle.resolve(value);
      else pending.settle.reject(value);
    }
  }

  #begin(): void {
    this.#db.run("BEGIN IMMEDIATE");
    this.#guard?.(this.#db);
  }

  /** Without savepoints. Null, and nothing is applied, when a job threw or one must not be repeated. */
  async #applyPlainly(group: readonly Pending[]): Promise<Applied[] | null> {
    if (this.#carefulGroups > 0 || !group.every(({ mayRepeat }) => mayRepeat)) {
      this.#carefulGroups = Math.max(0, this.#carefulGroups - 1);
      return null;
    }
    const applied: Applied[] = [];
    try {
      for (const pending of group) {
        const returned = pending.job(this.#db);
        // Only work that awaits costs a turn: the others are applied one after the other.
        applied.push({ pending, ok: true, value: returned instanceof Promise ? await settledInMicrotasks(returned) : returned });
        // A full disk ends the transaction, also where a job caught the error: what followed would be written without it.
        assert(this.#db.inTransaction, "a job went on though the file had ended its transaction");
      }
      return applied;
    } catch (error) {
      if (!this.#db.inTransaction) throw error;
      this.#carefulGroups = carefulGroupsMax;
      this.#db.run("ROLLBACK");
      this.#begin();
      return null;
    }
  }

  async #applyCarefully(group: readonly Pending[]): Promise<Applied[]> {
    const applied: Applied[] = [];
    for (const pending of group) {
      const result = this.#apply(pending);
      applied.push(result instanceof Promise ? await result : result);
    }
    return applied;
  }

  #apply(pending: Pending): Applied | Promise<Applied> {
    this.#db.run("SAVEPOINT job");
    try {
      const returned = pending.job(this.#db);
      return returned instanceof Promise ? this.#applyAwaited(pending, returned) : this.#keep(pending, returned);
    } catch (error) {
      return this.#undo(pending, error);
    }
  }

  async #applyAwaited(pending: Pending, returned: Promise<unknown>): Promise<Applied> {
    try {
      return this.#keep(pending, await settledInMicrotasks(returned));
    } catch (error) {
      return this.#undo(pending, error);
    }
  }

  #keep(pending: Pending, value: unknown): Applied {
    this.#db.run("RELEASE job");
    return { pending, ok: true, value };
  }

  /** A full disk may have ended the whole transaction: then it is over for the group, and everybody is told. */
  #undo(pending: Pending, error: unknown): Applied {
    if (!this.#db.inTransaction) throw error;
    this.#db.run("ROLLBACK TO job");
    this.#db.run("RELEASE job");
    return { pending, ok: false, value: error };
  }
}
