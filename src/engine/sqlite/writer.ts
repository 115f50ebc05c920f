import { sleep, type Clock } from "../../base/clock.ts";
import { isLonghaulError, type LonghaulError } from "../../base/error.ts";
import type { GroupCommit, SubmitOptions } from "../../db/group-commit.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { Write } from "../../record/write.ts";
import type { ObserveTask } from "../engine.ts";
import { fileRetryMs, isFileFailure } from "../../db/file-failure.ts";
import { noEffects, type Change, type Effects } from "./change.ts";
import { LateResults } from "./late-results.ts";
import type { EngineLimits } from "../limits.ts";
import { QueueBounds } from "./queue-bounds.ts";
import { RunBodies } from "./run-bodies.ts";

export interface WriterOptions {
  readonly db: SqliteDatabase;
  readonly commit: GroupCommit;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly apply: (db: SqliteDatabase, writes: readonly Write[]) => void;
  readonly observe: ObserveTask;
  /** Takes the effects of a change in the order of commits, in the turn in which it is known to be on disk. */
  readonly onCommitted: (effects: Effects) => void;
  /** What a change would have brought about: it was undone. */
  readonly onUndone: (effects: Effects) => void;
  /** Another process owns the file: nothing can be written any more. */
  readonly onFenced: (error: Error) => void;
}

type Work<T> = (change: Change) => T | Promise<T>;

/** Makes changes to the data file, each one job of the group commit. */
export class Writer {
  /** What steps come to after another process took the file over. */
  readonly late: LateResults;
  readonly bodies = new RunBodies();
  readonly #options: WriterOptions;
  readonly #queues = new QueueBounds();
  #pending = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.late = new LateResults(options);
  }

  get isIdle(): boolean {
    return this.#pending === 0 && this.#options.commit.isIdle;
  }

  /** One try. Rejects with what the work threw, or with what refused the commit. */
  async write<T>(work: Work<T>): Promise<T> {
    return await this.#attempt(work, { mayRepeat: true }, () => undefined);
  }

  /**
   * Tries until the file takes it: a full disk or a lock delays the work and loses nothing. Work that runs users' code is not repeated for the sake of others.
   * Rejects with what the work itself threw, and with ENGINE_FENCED and ENGINE_CLOSED.
   */
  async persist<T>(work: Work<T>, options: SubmitOptions = { mayRepeat: true }): Promise<T> {
    for (;;) {
      let isOwnRefusal = false;
      try {
        return await this.#attempt(work, options, (isOwn) => (isOwnRefusal = isOwn));
      } catch (error) {
        // A refusal in a commit that the file did not take is none yet: what it was told of may be undone with it.
        if (isFinal(error) || (isOwnRefusal && !isFileFailure(error))) throw error;
        await sleep(this.#options.clock, fileRetryMs);
      }
    }
  }

  /** Reads what is committed: at once, or after the transaction that is open. */
  async read<T>(query: (db: SqliteDatabase) => T): Promise<T> {
    const { db, commit } = this.#options;
    return db.inTransaction ? await commit.submit(query, { mayRepeat: true }) : query(db);
  }

  #attempt<T>(work: Work<T>, { mayRepeat = false }: SubmitOptions, onRefusal: (isOwn: boolean) => void): Promise<T> {
    this.#pending++;
    return new Promise<T>((resolve, reject) => {
      const made = new MadeChange(this.#options, this.#queues, this.#isActing);
      const refuse = (error: unknown): never => {
        onRefusal(made.db.inTransaction && !isFileFailure(error));
        throw error;
      };
      const job = (): T | Promise<T> => {
        // It may have been made before, and undone for the sake of another one.
        if (made.isMade) this.#options.onUndone(made.effects);
        made.begin();
        onRefusal(false);
        // Only work that awaits becomes a promise: the others need no turn of the event loop of their own.
        try {
          const result = work(made);
          return result instanceof Promise ? result.catch(refuse) : result;
        } catch (error) {
          return refuse(error);
        }
      };
      const onDisk = (value: T): void => {
        this.#pending--;
        try {
          this.#options.onCommitted(made.effects);
          resolve(value);
        } catch (error) {
          reject(error);
        }
      };
      const onRefused = (error: unknown): void => {
        this.#pending--;
        try {
          if (isFileFailure(error)) this.#queues.forget();
          if (made.isMade) this.#options.onUndone(made.effects);
          if (isFenced(error)) this.#options.onFenced(error);
          reject(error);
        } catch (fault) {
          reject(fault);
        }
      };
      this.#options.commit.enqueue(job, { resolve: onDisk, reject: onRefused }, mayRepeat);
    });
  }

  readonly #isActing = (runId: string): boolean => this.bodies.isActing(runId);
}

/** A change as one job of the group commit makes it, once or again. */
class MadeChange implements Change {
  readonly db: SqliteDatabase;
  readonly limits: EngineLimits;
  readonly observe: ObserveTask;
  readonly queues: QueueBounds;
  readonly isActing: (runId: string) => boolean;
  effects = noEffects();
  atMs = 0;
  isMade = false;
  readonly #options: WriterOptions;

  constructor(options: WriterOptions, queues: QueueBounds, isActing: (runId: string) => boolean) {
    this.#options = options;
    this.db = options.db;
    this.limits = options.limits;
    this.observe = options.observe;
    this.queues = queues;
    this.isActing = isActing;
  }

  begin(): void {
    if (this.isMade) this.effects = noEffects();
    this.isMade = true;
    this.atMs = this.#options.clock.now();
  }

  write(writes: readonly Write[]): void {
    if (writes.length > 0) this.#options.apply(this.db, writes);
  }
}

/** True for the refusal of a process that another one took over from. */
export function isFenced(error: unknown): error is LonghaulError {
  return isLonghaulError(error) && error.code === "ENGINE_FENCED";
}

/** True for a refusal that no later try changes. */
export function isFinal(error: unknown): boolean {
  return isFenced(error) || (isLonghaulError(error) && error.code === "ENGINE_CLOSED");
}
