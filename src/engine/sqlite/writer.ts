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

  #attempt<T>(work: Work<T>, options: SubmitOptions, onRefusal: (isOwn: boolean) => void): Promise<T> {
    const { onUndone } = this.#options;
    let effects = noEffects();
    this.#pending++;
    return this.#options.commit
      .submit((db) => {
        // It may have been made before, and undone for the sake of another one.
        onUndone(effects);
        effects = noEffects();
        onRefusal(false);
        const refuse = (error: unknown): never => {
          onRefusal(db.inTransaction && !isFileFailure(error));
          throw error;
        };
        // Only work that awaits becomes a promise: the others need no turn of the event loop of their own.
        try {
          const result = work(this.#changeOf(db, effects));
          return result instanceof Promise ? result.catch(refuse) : result;
        } catch (error) {
          return refuse(error);
        }
      }, options)
      .then(
        (value) => {
          this.#pending--;
          this.#options.onCommitted(effects);
          return value;
        },
        (error: unknown) => {
          this.#pending--;
          if (isFileFailure(error)) this.#queues.forget();
          onUndone(effects);
          if (isFenced(error)) this.#options.onFenced(error);
          throw error;
        },
      );
  }

  #changeOf(db: SqliteDatabase, effects: Effects): Change {
    const { clock, limits, observe, apply } = this.#options;
    return {
      db, limits, observe, effects,
      queues: this.#queues,
      isActing: (runId) => this.bodies.isActing(runId),
      atMs: clock.now(),
      write: (writes) => {
        if (writes.length > 0) apply(db, writes);
      },
    };
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
