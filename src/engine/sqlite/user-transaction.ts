import { LonghaulError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import { settledInMicrotasks } from "../../db/settled-in-microtasks.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import { toFailure } from "../../record/failure.ts";
import type { StepOutcome } from "../../record/step.ts";
import type { SqlValue, Transaction } from "../engine.ts";
import { isFileFailure } from "../../db/file-failure.ts";
import { checkUserSql } from "../user-sql.ts";

/**
 * Runs user SQL inside the transaction that is open, in a savepoint of its own: a failure leaves nothing behind and becomes the outcome.
 * Everything happens within one turn of the event loop. A body that is not finished then is rolled back, and what it asks for later is refused.
 */
export async function runUserTransaction(db: SqliteDatabase, body: (tx: Transaction) => Promise<Json>, check: (value: Json) => Json): Promise<StepOutcome> {
  const tx = new SavepointTransaction(db);
  db.exec("SAVEPOINT user_sql");
  try {
    const stored = check(await settledInMicrotasks(body(tx)));
    db.exec("RELEASE user_sql");
    return { ok: true, value: stored };
  } catch (error) {
    // When the file itself failed, the commit as a whole is tried again.
    if (!db.inTransaction || isFileFailure(error)) throw error;
    db.exec("ROLLBACK TO user_sql; RELEASE user_sql");
    return { ok: false, failure: toFailure(error) };
  } finally {
    tx.close();
  }
}

class SavepointTransaction implements Transaction {
  readonly #db: SqliteDatabase;
  #isOpen = true;

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  async run(sql: string, ...parameters: readonly SqlValue[]): Promise<{ readonly changes: number }> {
    this.#check(sql, parameters);
    return this.#db.runOnce(sql, ...parameters);
  }

  async all(sql: string, ...parameters: readonly SqlValue[]): Promise<readonly Readonly<Record<string, SqlValue>>[]> {
    this.#check(sql, parameters);
    return this.#db.allOnce(sql, ...parameters) as readonly Readonly<Record<string, SqlValue>>[];
  }

  close(): void {
    this.#isOpen = false;
  }

  #check(sql: string, parameters: readonly SqlValue[]): void {
    if (!this.#isOpen) throw new LonghaulError("TRANSACTION_AWAIT", "A transaction was used after its end. Await every call of tx inside its function.");
    checkUserSql(sql, parameters);
  }
}
