import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import type { LonghaulError } from "../../base/error.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import { lateWrites, type Write } from "../../record/write.ts";
import { readOwner } from "./owner-state.ts";

export interface LateResultsOptions {
  readonly db: SqliteDatabase;
  readonly clock: Clock;
  readonly apply: (db: SqliteDatabase, writes: readonly Write[]) => void;
}

/**
 * What steps come to in a process that another one took over from. It happened and may have been paid, so it is recorded; nothing of it is applied.
 *
 * L1 only what `lateWrites` leaves is written: facts, idempotent by their ids. Never the journal, a task, a key or a message to people;
 * L2 it is a transaction of its own, beside the group commit, whose guard lets a fenced process write nothing;
 * L3 the transaction holds only while another epoch owns the file: an owner never writes this way.
 */
export class LateResults {
  readonly #options: LateResultsOptions;
  #executing = 0;
  #waiters: (() => void)[] = [];

  constructor(options: LateResultsOptions) {
    this.#options = options;
  }

  /** A step's body begins. */
  begin(): void {
    this.#executing++;
  }

  /** A step has ended, and what it came to is in the file, or cannot be. */
  end(): void {
    this.#executing--;
    if (this.#executing === 0) for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Resolves when no step executes any more, at most after `timeoutMs`. */
  async settled(timeoutMs: number): Promise<void> {
    if (this.#executing === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(timeoutMs, resolve);
      this.#waiters.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Writes what is still true of a step's end. A file that does not take it now never will: this process is about to end. */
  record(writes: readonly Write[], { details }: LonghaulError): void {
    const epoch = Number(details["epoch"]);
    const late = lateWrites(writes, String(epoch)).map((write): Write => (write.type === "record" ? { ...write, record: { ...write.record, data: { ...write.record.data, epoch } } } : write));
    if (late.length === 0) return;
    const { db, apply } = this.#options;
    db.exec("BEGIN IMMEDIATE");
    try {
      assert(readOwner(db)?.epoch !== epoch, `epoch ${epoch} owns the file and writes as if it did not`);
      apply(db, late);
      db.exec("COMMIT");
    } catch (error) {
      if (db.inTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }
}
