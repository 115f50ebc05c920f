import { LonghaulError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import { macrotask } from "../../base/turn.ts";
import { isPassing } from "../../db/postgres-failure.ts";
import type { PostgresRow, PostgresSession } from "../../db/postgres.ts";
import { toFailure } from "../../record/failure.ts";
import type { StepOutcome } from "../../record/step.ts";
import type { SqlValue, Transaction } from "../engine.ts";
import { checkUserSql, numberParameters } from "../user-sql.ts";

/** Turns of the event loop in which a function goes on after its last statement. */
const turnsMax = 3;

/**
 * Runs user SQL inside the transaction that is open, in a savepoint of its own: a failure leaves nothing behind and becomes the outcome.
 * A function that awaits anything but `tx` is refused: when none of its statements is under way, it has to go on within a few turns of the event loop.
 */
export async function runUserTransaction(db: PostgresSession, body: (tx: Transaction) => Promise<Json>, check: (value: Json) => Json): Promise<StepOutcome> {
  await db.exec("SAVEPOINT user_sql");
  const tx = new SavepointTransaction(db);
  try {
    const stored = check(await tx.settled(body(tx)));
    // A constraint that is looked at last is looked at here: at the COMMIT it would refuse the step's outcome too.
    await db.exec("SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT user_sql");
    return { ok: true, value: stored };
  } catch (error) {
    if (isPassing(error)) throw error;
    await db.exec("ROLLBACK TO SAVEPOINT user_sql; RELEASE SAVEPOINT user_sql");
    return { ok: false, failure: toFailure(error) };
  }
}

class SavepointTransaction implements Transaction {
  readonly #db: PostgresSession;
  #underWay = 0;
  #isOpen = true;

  constructor(db: PostgresSession) {
    this.#db = db;
  }

  async run(sql: string, ...parameters: readonly SqlValue[]): Promise<{ readonly changes: number }> {
    const rows = await this.#query(sql, parameters, async (text) => {
      const { changes } = await this.#db.runOnce(text, ...parameters);
      return [{ changes }];
    });
    return { changes: Number(rows[0]?.["changes"]) };
  }

  async all(sql: string, ...parameters: readonly SqlValue[]): Promise<readonly Readonly<Record<string, SqlValue>>[]> {
    return (await this.#query(sql, parameters, (text) => this.#db.allOnce(text, ...parameters))) as readonly Readonly<Record<string, SqlValue>>[];
  }

  /** What the function comes to. @throws {TRANSACTION_AWAIT} when it waits for something that is no statement. */
  async settled<T>(function_: Promise<T>): Promise<T> {
    let isSettled = false;
    const ended = function_.finally(() => (isSettled = true));
    ended.catch(() => undefined); // Reported below, or of no interest any more.
    for (let turns = 0; turns < turnsMax && !isSettled; turns++) {
      await macrotask();
      while (this.#underWay > 0) {
        await macrotask();
        turns = 0;
      }
    }
    this.#isOpen = false;
    if (isSettled) return await ended;
    throw new LonghaulError("TRANSACTION_AWAIT", "A transaction awaited something other than its tx. Nothing was written. Do that work in ctx.step, before the transaction.");
  }

  async #query(sql: string, parameters: readonly SqlValue[], query: (text: string) => Promise<readonly PostgresRow[]>): Promise<readonly PostgresRow[]> {
    if (!this.#isOpen) throw new LonghaulError("TRANSACTION_AWAIT", "A transaction was used after its end. Await every call of tx inside its function.");
    checkUserSql(sql, parameters);
    this.#underWay++;
    try {
      return await query(parameters.length === 0 ? sql : numberParameters(sql));
    } finally {
      this.#underWay--;
    }
  }
}
