import type * as Driver from "pg";
import type { Client, Pool, PoolConfig } from "pg";
import { LonghaulError } from "../base/error.ts";
import { fromStoredText } from "./postgres-text.ts";

export interface PostgresLimits {
  /** Connections at the most. Default 10. */
  readonly connectionsMax?: number;
  /** A statement that runs longer is ended by the server. Default 30 s. */
  readonly statementTimeoutMs?: number;
  /** A statement that waits longer for a lock is a conflict, which is tried again. Default 10 s. */
  readonly lockTimeoutMs?: number;
  /** A transaction that stands still for longer is rolled back and its connection cut: our process hangs or is gone. Default 30 s. */
  readonly idleInTransactionTimeoutMs?: number;
  /** To get a connection, a free one or a new one. Default 10 s. */
  readonly connectTimeoutMs?: number;
}

export interface PoolOptions extends PostgresLimits {
  readonly url: string;
  readonly schema: string;
}

/** The driver waits this much longer than the server for the end of a statement: then the way to the server is broken. */
export const graceMs = 5_000;
/** A connection of its own that does not answer for so long is lost. */
const aloneTimeoutMs = 10_000;
/** A schema's name stands in statements and in the options of a connection: no quoting is needed for these. */
const schemaPattern = /^[a-z_][a-z0-9_]{0,47}$/;

/** By the number of the type: text, varchar, int8. Arrays come back as the driver has them: int8[] as texts, text[] as stored. */
const ourParsers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([[25, fromStoredText], [1043, fromStoredText], [20, toWhole]]);

export interface Connections {
  /** Its connections look into the schema first. */
  readonly pool: Pool;
  /** Resolves when the server answers within the time, on a connection of its own: however busy those of the pool are, and whatever became of them. */
  ask(withinMs: number): Promise<void>;
}

/**
 * Nothing is connected yet.
 * @throws {STORE_DRIVER_MISSING} when the package pg is not installed. @throws {OPTION_INVALID}
 */
export async function createConnections(options: PoolOptions): Promise<Connections> {
  const driver = await importDriver();
  const parserOf = driver.types.getTypeParser as (oid: number, format?: string) => (text: string) => unknown;
  const getTypeParser = (oid: number, format?: string): ((text: string) => unknown) => ourParsers.get(oid) ?? parserOf(oid, format);
  const config = configOf(options);
  const pool = new driver.Pool({ ...config, types: { getTypeParser } });
  // A connection that breaks tells whoever uses it by the failure of a statement; without a listener its event would end the process.
  pool.on("error", ignore);
  pool.on("connect", (client) => client.on("error", ignore));
  return {
    pool,
    async ask(withinMs) {
      const client = new driver.Client({ ...config, connectionTimeoutMillis: withinMs, query_timeout: withinMs });
      client.on("error", ignore);
      try {
        await client.connect();
        await client.query("SELECT 1");
      } finally {
        client.end().catch(ignore); // The server may not hear it.
      }
    },
  };
}

/** A connection of its own, for what takes one for good. */
export async function connectAlone(options: PoolOptions): Promise<Client> {
  const driver = await importDriver();
  const client = new driver.Client({ ...configOf(options), query_timeout: aloneTimeoutMs });
  client.on("error", ignore);
  await client.connect();
  return client;
}

/** `pipeline`: a statement is sent before the ones before it are answered. The driver's published type does not have it. */
type Config = PoolConfig & { readonly pipeline: boolean };

function configOf({ url, schema, ...limits }: PoolOptions): Config {
  if (!schemaPattern.test(schema)) throw new LonghaulError("OPTION_INVALID", `schema is ${JSON.stringify(schema)}. Use at most 48 small letters, digits and underscores.`);
  const { connectionsMax = 10, statementTimeoutMs = 30_000, lockTimeoutMs = 10_000, idleInTransactionTimeoutMs = 30_000, connectTimeoutMs = 10_000 } = limits;
  const address = parseAddress(url);
  // Where the address does not say, the driver would take the environment's word, which messages would not name.
  const { host, port } = placeOf(address);
  address.searchParams.set("port", port);
  if (address.hostname === "") address.searchParams.set("host", host);
  address.searchParams.set("options", `${address.searchParams.get("options") ?? ""} -c search_path=${schema},public`.trim());
  return {
    connectionString: address.href,
    application_name: "longhaul",
    max: connectionsMax,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    query_timeout: statementTimeoutMs + graceMs,
    keepAlive: true,
    pipeline: true,
    // An idle pool does not keep a process alive that has nothing else to do.
    allowExitOnIdle: true,
  };
}

/** The address without its password, for messages. */
export function labelOf(url: string): string {
  const address = parseAddress(url);
  const { host, port } = placeOf(address);
  return `${host}:${port}${address.pathname === "" ? "/" : address.pathname}`;
}

/** The driver prefers what is behind the question mark. */
function placeOf({ hostname, port, searchParams }: URL): { readonly host: string; readonly port: string } {
  return { host: searchParams.get("host") ?? (hostname || "localhost"), port: searchParams.get("port") ?? (port || "5432") };
}

function parseAddress(url: string): URL {
  const address = URL.parse(url);
  const isOfPostgres = address !== null && (address.protocol === "postgres:" || address.protocol === "postgresql:");
  // A password that is written as it is ends at its "#" or "/", and what is behind is read as something else.
  if (isOfPostgres && address.hash === "" && !address.pathname.includes("@")) return address;
  // The text may hold a password: it is not repeated.
  throw new LonghaulError("OPTION_INVALID", "The address of the database is not one of PostgreSQL. Use postgres://user:password@host:5432/database; in the password, write @ as %40, # as %23, / as %2F, ? as %3F, : as %3A and % as %25.");
}

async function importDriver(): Promise<typeof Driver> {
  try {
    return await import("pg");
  } catch (error) {
    throw new LonghaulError("STORE_DRIVER_MISSING", "A postgres:// address needs the package pg, which is not installed. Type: npm install pg", { cause: error });
  }
}

/** 64-bit integers come back as numbers. */
function toWhole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`PostgreSQL gave the integer ${text}, which a number does not hold exactly. Cast it to text in the statement.`);
  return value;
}

function ignore(): void {
  // See createConnections.
}
