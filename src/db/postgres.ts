import type { Pool, PoolClient, QueryConfig, QueryResult } from "pg";
import type { Clock, Timer } from "../base/clock.ts";
import { sleep } from "../base/clock.ts";
import { LonghaulError, messageOf } from "../base/error.ts";
import { integerBetween, type Random } from "../base/random.ts";
import { asStandby, classifyFailure, fromConnecting, fromDriver, toCommitUnknown, toConflict, toRefused, toUnreachable } from "./postgres-failure.ts";
import { type Listener, type Listening, PostgresNotices } from "./postgres-notices.ts";
import { connectAlone, type Connections, createConnections, graceMs, labelOf, type PostgresLimits } from "./postgres-pool.ts";
import { toStoredText } from "./postgres-text.ts";

type PostgresItem = string | number | boolean | null;
/** An array is one parameter, for `= ANY ($1)` and `unnest($1)`. */
export type PostgresValue = PostgresItem | Uint8Array | readonly PostgresItem[];
export type PostgresRow = Readonly<Record<string, unknown>>;

/**
 * Where statements run: a transaction, or the database itself. Parameters are `$1, $2, …`. Statements are prepared once for each connection and kept, so their
 * text should be a constant; strings come back as they were given, whatever they hold (postgres-text.ts); int8 comes back as a number.
 */
export interface PostgresSession {
  run(sql: string, ...values: readonly PostgresValue[]): Promise<{ readonly changes: number }>;
  get(sql: string, ...values: readonly PostgresValue[]): Promise<PostgresRow | undefined>;
  all(sql: string, ...values: readonly PostgresValue[]): Promise<readonly PostgresRow[]>;
  /** Runs one statement that is not kept: for text that comes from a user. */
  runOnce(sql: string, ...values: readonly PostgresValue[]): Promise<{ readonly changes: number }>;
  /** See `runOnce`. */
  allOnce(sql: string, ...values: readonly PostgresValue[]): Promise<readonly PostgresRow[]>;
  /** Runs statements without parameters, separated by semicolons. */
  exec(sql: string): Promise<void>;
}

export interface PostgresOptions extends PostgresLimits {
  /** `postgres://user:password@host:5432/database`. */
  readonly url: string;
  /** All tables live in it; connections look into it first, then into public. Default "longhaul". */
  readonly schema?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** How long work is tried again while the server cannot be reached. Default 30 s. */
  readonly retryForMs?: number;
  /** What became of a try: null when a transaction that may write was committed, the reason when the server did not do its work. */
  readonly onOutcome?: (failure: Error | null) => void;
}

export interface TransactionOptions {
  /**
   * True when the job, done a second time after it has taken effect, finds that and changes nothing: then it is done again also when the connection is lost
   * during COMMIT. Default false: that ends in STORE_COMMIT_UNKNOWN.
   */
  readonly idempotent?: boolean;
  /** Default "read committed". */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  readonly readOnly?: boolean;
  /** Milliseconds that each of its statements may take. Default: the limit of the database, 30 s unless it was opened with another. */
  readonly statementTimeoutMs?: number;
}

interface TransactionState {
  readonly isEnded: boolean;
  readonly isReadOnly: boolean;
  readonly statementTimeoutMs?: number | undefined;
}

/** What the driver takes beyond its published type: the extended protocol also for a statement without parameters, and a time limit of its own. */
interface Query extends QueryConfig {
  readonly queryMode?: "extended";
  readonly query_timeout?: number;
}

/** The driver's own limit for `exec`, whose statements may switch off the server's. */
const execTimeoutMs = 3_600_000;
const conflictTriesMax = 10;
const backoffBaseMs = 20;
const backoffCapMs = 1_000;
/** Texts that are prepared; what comes later is parsed each time. */
const preparedMax = 500;

/**
 * A bounded pool of connections to one database. What fails for a passing reason is done again: a conflict up to 10 times, an unreachable server for 30 s, and at once
 * what a connection keeps of a table that has another shape by now.
 * While nobody asks it anything and nobody listens, it sends nothing.
 */
export class PostgresDatabase implements PostgresSession {
  /** Host, port and database, for messages. */
  readonly where: string;
  readonly schema: string;
  readonly #pool: Pool;
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #retryForMs: number;
  readonly #onOutcome: (failure: Error | null) => void;
  readonly #notices: PostgresNotices;
  readonly #names = new Map<string, string>();
  readonly #broken = new WeakSet<PoolClient>();
  readonly #pending = new Set<Promise<unknown>>();
  #ended: Promise<void> | null = null;
  #delays: { readonly afterMs: number; readonly tell: () => void } | null = null;
  readonly #closing = new AbortController();

  private constructor(connections: Connections, options: PostgresOptions) {
    const { url, schema = "longhaul", clock, random, retryForMs = 30_000, onOutcome = () => undefined } = options;
    this.#notices = new PostgresNotices({ connect: () => connectAlone({ ...options, schema }), schema, clock, random });
    this.where = labelOf(url);
    this.schema = schema;
    this.#connections = connections;
    this.#pool = connections.pool;
    this.#clock = clock;
    this.#random = random;
    this.#retryForMs = retryForMs;
    this.#onOutcome = onOutcome;
  }

  /** Nothing is connected before the first statement. @throws {STORE_DRIVER_MISSING} @throws {OPTION_INVALID} */
  static async open(options: PostgresOptions): Promise<PostgresDatabase> {
    return new PostgresDatabase(await createConnections({ schema: "longhaul", ...options }), options);
  }

  /** One statement by itself. It is sent again when the connection is lost: only for what reads or is idempotent. */
  run(sql: string, ...values: readonly PostgresValue[]): Promise<{ readonly changes: number }> {
    return this.#retrying(true, (client) => this.#sessionOf(client).run(sql, ...values));
  }

  /** See `run`. */
  get(sql: string, ...values: readonly PostgresValue[]): Promise<PostgresRow | undefined> {
    return this.#retrying(true, (client) => this.#sessionOf(client).get(sql, ...values));
  }

  /** See `run`. */
  all(sql: string, ...values: readonly PostgresValue[]): Promise<readonly PostgresRow[]> {
    return this.#retrying(true, (client) => this.#sessionOf(client).all(sql, ...values));
  }

  /** See `run`. */
  runOnce(sql: string, ...values: readonly PostgresValue[]): Promise<{ readonly changes: number }> {
    return this.#retrying(true, (client) => this.#sessionOf(client).runOnce(sql, ...values));
  }

  /** See `run`. */
  allOnce(sql: string, ...values: readonly PostgresValue[]): Promise<readonly PostgresRow[]> {
    return this.#retrying(true, (client) => this.#sessionOf(client).allOnce(sql, ...values));
  }

  /** See `run`. */
  exec(sql: string): Promise<void> {
    return this.#retrying(true, (client) => this.#sessionOf(client).exec(sql));
  }

  /**
   * Runs `job` in one transaction, and again from its beginning after a conflict or a lost connection: it must do nothing but use `tx`. Resolves when PostgreSQL has
   * acknowledged the COMMIT.
   * @throws {STORE_UNREACHABLE} @throws {STORE_CONFLICT} @throws {STORE_COMMIT_UNKNOWN} @throws {STORE_REFUSED}
   */
  transaction<T>(job: (tx: PostgresSession) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const begin = `BEGIN ISOLATION LEVEL ${(options.isolation ?? "read committed").toUpperCase()}${options.readOnly === true ? " READ ONLY" : ""}`;
    return this.#retrying(options.idempotent ?? false, async (client, onCommit) => {
      // The first statement of the job is sent behind it without waiting for the answer.
      const begun = ask(client, { text: begin });
      begun.catch(() => undefined); // Awaited below.
      const { readOnly = false, statementTimeoutMs } = options;
      const state = { isEnded: false, isReadOnly: readOnly, statementTimeoutMs };
      try {
        if (statementTimeoutMs !== undefined) await ask(client, { text: `SET LOCAL statement_timeout = ${Math.ceil(statementTimeoutMs)}` });
        const value = await job(this.#sessionOf(client, state));
        await begun;
        state.isEnded = true;
        onCommit();
        const { command } = await ask(client, { text: "COMMIT" });
        if (command === "COMMIT") {
          if (!state.isReadOnly) this.#onOutcome(null);
          return value;
        }
      } catch (error) {
        state.isEnded = true;
        if (classifyFailure(error) !== "unavailable") await this.#rollBack(client);
        throw error;
      }
      throw new LonghaulError("TRANSACTION_SQL", "A statement of the transaction failed, and its error was caught: PostgreSQL rolled the whole transaction back. Let the error pass, and begin again.");
    });
  }

  /** Hears what processes of this schema `notify` of, by one connection for all who listen here. */
  listen(topic: string, listener: Listener): Listening {
    return this.#notices.listen(topic, listener);
  }

  /** Resolves when the server answers within the time. It is asked once, on a connection of its own. */
  ask(withinMs: number): Promise<void> {
    return this.#connections.ask(withinMs);
  }

  /** Tells of what is asked and not done after this time, each time that it has passed again. */
  tellOfDelays(afterMs: number, tell: () => void): void {
    this.#delays = { afterMs, tell };
  }

  /** Waits for what was asked before; what waits for the server to come back is given up. */
  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(new LonghaulError("ENGINE_CLOSED", `The connections to ${this.where} are closed. Start again to use them.`));
      this.#ended = Promise.allSettled([...this.#pending, this.#notices.close()]).then(() => this.#pool.end());
    }
    await this.#ended;
  }

  async #retrying<T>(isIdempotent: boolean, work: (client: PoolClient, onCommit: () => void) => Promise<T>): Promise<T> {
    this.#closing.signal.throwIfAborted();
    const result = this.#retryUntilDone(isIdempotent, work);
    this.#pending.add(result);
    const delay = this.#watchDelay();
    try {
      return await result;
    } finally {
      delay?.cancel();
      this.#pending.delete(result);
    }
  }

  #watchDelay(): Timer | null {
    if (this.#delays === null) return null;
    const { afterMs, tell } = this.#delays;
    let timer: Timer;
    const arm = (): void => {
      timer = this.#clock.setTimer(afterMs, () => {
        arm();
        tell();
      });
    };
    arm();
    return { cancel: () => timer.cancel() };
  }

  /** `onCommit` is called when the work can no longer be known to have failed. */
  async #retryUntilDone<T>(isIdempotent: boolean, work: (client: PoolClient, onCommit: () => void) => Promise<T>): Promise<T> {
    const startedAtMs = this.#clock.monotonicMs();
    for (let tries = 1; ; tries++) {
      let isCommitting = false;
      try {
        return await this.#withClient((client) => work(client, () => (isCommitting = true)));
      } catch (error) {
        const failure = classifyFailure(error);
        if (failure === "other") throw error;
        if (failure === "refused") throw toRefused(this.where, error);
        if (failure === "unavailable") this.#onOutcome(toError(error));
        const triedMs = this.#clock.monotonicMs() - startedAtMs;
        const isTimeUp = triedMs >= this.#retryForMs;
        // Each connection that keeps the statement is given up: soon there is none.
        if (failure === "stale" && tries <= this.#pool.options.max + conflictTriesMax) continue;
        if (failure !== "unavailable" && (tries >= conflictTriesMax || isTimeUp)) throw toConflict(this.where, error, tries);
        if (failure === "unavailable" && isCommitting && !isIdempotent) throw toCommitUnknown(this.where, error);
        if (failure === "unavailable" && isTimeUp) throw toUnreachable(this.where, error, triedMs);
        await sleep(this.#clock, integerBetween(this.#random, 1, Math.min(backoffCapMs, backoffBaseMs * 2 ** Math.min(tries, 16))), this.#closing.signal);
      }
    }
  }

  async #withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw fromConnecting(error);
    });
    let isBroken = false;
    try {
      return await work(client);
    } catch (error) {
      const failure = classifyFailure(error);
      isBroken = failure === "unavailable" || failure === "stale";
      throw error;
    } finally {
      client.release(isBroken || this.#broken.has(client));
    }
  }

  /** A connection that cannot even roll back is given up; what the transaction failed of is what its caller is told. */
  async #rollBack(client: PoolClient): Promise<void> {
    try {
      await client.query("ROLLBACK");
    } catch {
      this.#broken.add(client); // The server rolls back by itself what has lost its connection.
    }
  }

  #sessionOf(client: PoolClient, transaction: TransactionState = { isEnded: false, isReadOnly: false }): PostgresSession {
    const query = async (config: Query): Promise<QueryResult<Record<string, unknown>>> => {
      if (transaction.isEnded) throw new LonghaulError("TRANSACTION_SQL", "The transaction has ended: a statement came after its function. Await all statements of a transaction.");
      try {
        const { statementTimeoutMs } = transaction;
        return await ask(client, statementTimeoutMs === undefined ? config : { ...config, query_timeout: statementTimeoutMs + graceMs });
      } catch (error) {
        throw transaction.isReadOnly ? error : asStandby(error);
      }
    };
    const kept = (sql: string, values: readonly PostgresValue[]): Promise<QueryResult<Record<string, unknown>>> => query({ text: sql, values: values.map(toParameter), ...this.#nameOf(sql) });
    // The extended protocol takes one statement only.
    const once = (sql: string, values: readonly PostgresValue[]): Promise<QueryResult<Record<string, unknown>>> => query({ text: sql, values: values.map(toParameter), queryMode: "extended" });
    return {
      run: async (sql, ...values) => ({ changes: (await kept(sql, values)).rowCount ?? 0 }),
      get: async (sql, ...values) => (await kept(sql, values)).rows[0],
      all: async (sql, ...values) => (await kept(sql, values)).rows,
      runOnce: async (sql, ...values) => ({ changes: (await once(sql, values)).rowCount ?? 0 }),
      allOnce: async (sql, ...values) => (await once(sql, values)).rows,
      exec: async (sql) => void (await query({ text: sql, query_timeout: execTimeoutMs })),
    };
  }

  #nameOf(sql: string): { readonly name?: string } {
    let name = this.#names.get(sql);
    if (name === undefined) {
      if (this.#names.size >= preparedMax) return {};
      name = `lh${this.#names.size + 1}`;
      this.#names.set(sql, name);
    }
    return { name };
  }
}

function ask(client: PoolClient, config: Query): Promise<QueryResult<Record<string, unknown>>> {
  return client.query<Record<string, unknown>>(config).catch(throwDrivers);
}

function throwDrivers(error: unknown): never {
  throw fromDriver(error);
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}

function toParameter(value: PostgresValue): unknown {
  if (typeof value === "string") return toStoredText(value);
  return Array.isArray(value) ? value.map((item: PostgresItem) => (typeof item === "string" ? toStoredText(item) : item)) : value;
}
