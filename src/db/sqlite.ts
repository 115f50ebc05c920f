import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { LonghaulError } from "../base/error.ts";
import { applicationId } from "./data-file.ts";
import { fileIdentity } from "./file-identity.ts";

export type SqlInput = string | number | null | Uint8Array;
export type Row = Readonly<Record<string, unknown>>;
/** A row as the values of its columns, in the order of the statement. */
export type Values = readonly unknown[];

/** The write-ahead log is cut back to this when it has been worked off. */
const logBytesMax = 67_108_864;
/** How long a connection waits for another one's lock, in milliseconds. */
const busyTimeoutMs = 5_000;

const inMemory = ":memory:";
/** In memory all pages are cached, and SQLite may go through all of them at a commit that made new ones: there are half as many as by default. */
const pageBytesInMemory = 8_192;

/** One connection with its prepared statements. Statements are prepared once and kept. */
export class SqliteDatabase {
  readonly path: string;
  /** Which file was at the path before it was opened; null in memory. Where another one is there now, this connection writes what nobody reads. */
  readonly identity: string | null;
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Those whose rows are lists. */
  readonly #listing = new Map<string, StatementSync>();

  private constructor(path: string, connection: DatabaseSync, identity: string | null) {
    this.path = path;
    this.identity = identity;
    this.#connection = connection;
  }

  /**
   * Opens or creates a data file: WAL, `synchronous=FULL`, incremental auto-vacuum. `":memory:"` for tests.
   * @throws {STORE_VERSION} when the file is another application's.
   */
  static open(path: string): SqliteDatabase {
    const before = fileIdentity(path);
    const connection = new DatabaseSync(path, { timeout: busyTimeoutMs });
    const found = Number(connection.prepare("PRAGMA application_id").get()?.["application_id"] ?? 0);
    const isForeign = found === 0 ? connection.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() !== undefined : found !== applicationId;
    if (isForeign) {
      connection.close();
      throw new LonghaulError("STORE_VERSION", `${path} is a data file of another application (id ${found}). Give another --data directory.`);
    }
    if (path === inMemory) connection.exec(`PRAGMA page_size = ${pageBytesInMemory}`);
    if (found === 0) connection.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = ${applicationId};`);
    connection.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;");
    // A reader that held the log up once must not leave a huge file for ever.
    connection.exec(`PRAGMA journal_size_limit = ${logBytesMax}`);
    return new SqliteDatabase(path, connection, before ?? fileIdentity(path));
  }

  /** A connection that can only read, for operators: it never blocks the writer. */
  static openReadOnly(path: string): SqliteDatabase {
    const before = fileIdentity(path);
    return new SqliteDatabase(path, new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs }), before);
  }

  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  run(sql: string, ...parameters: readonly SqlInput[]): { readonly changes: number; readonly lastId: number } {
    const result = this.#prepare(sql).run(...(parameters as SQLInputValue[]));
    return { changes: Number(result.changes), lastId: Number(result.lastInsertRowid) };
  }

  get(sql: string, ...parameters: readonly SqlInput[]): Row | undefined {
    return this.#prepare(sql).get(...(parameters as SQLInputValue[]));
  }

  all(sql: string, ...parameters: readonly SqlInput[]): readonly Row[] {
    return this.#prepare(sql).all(...(parameters as SQLInputValue[]));
  }

  /** Like `get`, for what is read at every run: a list costs a third of an object, which gets its names anew each time. */
  getValues(sql: string, ...parameters: readonly SqlInput[]): Values | undefined {
    return this.#prepareListing(sql).get(...(parameters as SQLInputValue[])) as Values | undefined;
  }

  /** Like `all`, as `getValues` is like `get`. */
  allValues(sql: string, ...parameters: readonly SqlInput[]): readonly Values[] {
    return this.#prepareListing(sql).all(...(parameters as SQLInputValue[])) as unknown as readonly Values[];
  }

  /** Runs a statement that is not kept: for text that comes from a user. */
  allOnce(sql: string, ...parameters: readonly SqlInput[]): readonly Row[] {
    return this.#connection.prepare(sql).all(...(parameters as SQLInputValue[]));
  }

  /** Like `allOnce`, for a statement that changes rows. */
  runOnce(sql: string, ...parameters: readonly SqlInput[]): { readonly changes: number } {
    return { changes: Number(this.#connection.prepare(sql).run(...(parameters as SQLInputValue[])).changes) };
  }

  /** Whether the file is one of Longhaul's. Only then do its tables mean anything. */
  get isOurs(): boolean {
    return Number(this.get("PRAGMA application_id")?.["application_id"]) === applicationId;
  }

  /** The pages of the file, and those of them that hold nothing. */
  get size(): { readonly pages: number; readonly free: number; readonly pageBytes: number } {
    const pragma = (name: string): number => Number(this.get(`PRAGMA ${name}`)?.[name]);
    return { pages: pragma("page_count"), free: pragma("freelist_count"), pageBytes: pragma("page_size") };
  }

  /** Moves what is at the end of the file into free pages, and gives at most so many of them back to the disk. */
  releasePages(count: number): void {
    this.#connection.exec(`PRAGMA incremental_vacuum(${count})`);
  }

  /** Copies what may be copied of the log into the file, without waiting for anybody. */
  checkpoint(): void {
    this.#connection.exec("PRAGMA wal_checkpoint(PASSIVE)");
  }

  get inTransaction(): boolean {
    return this.#connection.isTransaction;
  }

  close(): void {
    this.#statements.clear();
    this.#listing.clear();
    if (this.#connection.isOpen) this.#connection.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #prepareListing(sql: string): StatementSync {
    let statement = this.#listing.get(sql);
    if (!statement) {
      statement = this.#connection.prepare(sql);
      statement.setReturnArrays(true);
      this.#listing.set(sql, statement);
    }
    return statement;
  }
}
