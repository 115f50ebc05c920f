import type { PostgresRow, PostgresSession } from "../../db/postgres.ts";
import type { ComingWorker, LiveWorker } from "./team-address.ts";

/** A worker that has a row, whether it lives or not. */
export interface KnownWorker extends LiveWorker {
  /** False when it has been silent for longer than `aliveMs`. */
  readonly isLive: boolean;
  /** When it last said that it lives, by PostgreSQL's clock, and how long ago. */
  readonly seenAtMs: number;
  readonly silentMs: number;
}

/** How long a worker that is silent counts as alive. */
export const aliveMs = 30_000;
/** How long the row of a silent worker is kept. */
const goneKeptMs = 86_400_000;
/** Workers that are told to people at once. */
const knownMax = 1_000;

/** One that spoke after now was killed, and PostgreSQL's clock set back: it would count for as long as that. */
const spokeWithin = "seen_at BETWEEN clock_timestamp() - $1 * interval '1 ms' AND clock_timestamp() + $1 * interval '1 ms'";
const columns = "position, name, uri, is_advertised, trouble";

/** Those that live, in the order in which they came. */
export async function listWorkers(db: PostgresSession): Promise<readonly LiveWorker[]> {
  return (await db.all(`SELECT ${columns} FROM lh_worker WHERE ${spokeWithin} ORDER BY position`, aliveMs)).map(toWorker);
}

/** Those that live, in the order in which they came, and behind them those that are gone, the one that was seen last first. */
export async function listKnownWorkers(db: PostgresSession): Promise<readonly KnownWorker[]> {
  const rows = await db.all(
    `SELECT ${columns}, ${spokeWithin} AS is_live, (extract(epoch FROM seen_at) * 1000)::int8 AS seen_at_ms, (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::int8 AS silent_ms
     FROM lh_worker WHERE isfinite(seen_at) AND seen_at <= clock_timestamp() + $1 * interval '1 ms' ORDER BY is_live DESC, CASE WHEN ${spokeWithin} THEN position END, seen_at DESC LIMIT $2`,
    aliveMs, knownMax,
  );
  return rows.map((row) => ({ ...toWorker(row), isLive: row["is_live"] === true, seenAtMs: Number(row["seen_at_ms"]), silentMs: Math.max(0, Number(row["silent_ms"])) }));
}

/** Notes a worker that came, and returns its position. */
export async function addWorker(db: PostgresSession, { name, uri, isAdvertised }: ComingWorker): Promise<number> {
  const row = await db.get("INSERT INTO lh_worker (name, uri, is_advertised, seen_at) VALUES ($1, $2, $3, clock_timestamp()) RETURNING position", name, uri, isAdvertised);
  return Number(row?.["position"]);
}

/**
 * Notes a worker again that had a row. It has its position back: as one that came last, it would lead Restate to an address that others have replaced.
 * Another one where PostgreSQL, which went back to an earlier state, gives that position to others.
 */
export async function addWorkerAgain(db: PostgresSession, position: number, worker: ComingWorker): Promise<number> {
  const row = await db.get(
    `INSERT INTO lh_worker (position, name, uri, is_advertised, seen_at) OVERRIDING SYSTEM VALUE
     SELECT $1::int8, $2, $3, $4, clock_timestamp() FROM lh_worker_position_seq WHERE is_called AND last_value >= $1::int8
     ON CONFLICT (position) DO UPDATE SET seen_at = excluded.seen_at WHERE lh_worker.name = excluded.name RETURNING position`,
    position, worker.name, worker.uri, worker.isAdvertised,
  );
  return row === undefined ? addWorker(db, worker) : position;
}

/** Forgets those that have been silent for longer than `goneKeptMs`. One of them that speaks again meanwhile keeps its row. */
export async function forgetWorkers(db: PostgresSession): Promise<void> {
  await db.run(`DELETE FROM lh_worker WHERE NOT (${spokeWithin})`, goneKeptMs);
}

/** The row of a worker. Where PostgreSQL went back to an earlier state, another one may have its position. */
export type WorkerRow = Pick<LiveWorker, "position" | "name">;

/** A worker says that it lives, and whether it reaches Restate. Returns all others that do, and itself, when it still has its row. */
export async function beatWorker(db: PostgresSession, { position, name }: WorkerRow, trouble: string | null): Promise<readonly LiveWorker[]> {
  const rows = await db.all(
    `WITH own AS (UPDATE lh_worker SET seen_at = clock_timestamp(), trouble = $4 WHERE position = $2 AND name = $3 RETURNING ${columns})
     SELECT ${columns} FROM own UNION ALL SELECT ${columns} FROM lh_worker WHERE (position, name) <> ($2, $3) AND ${spokeWithin} ORDER BY position`,
    aliveMs, position, name, trouble,
  );
  return rows.map(toWorker);
}

export async function removeWorker(db: PostgresSession, { position, name }: WorkerRow): Promise<void> {
  await db.run("DELETE FROM lh_worker WHERE position = $1 AND name = $2", position, name);
}

function toWorker(row: PostgresRow): LiveWorker {
  return { position: Number(row["position"]), name: String(row["name"]), uri: String(row["uri"]), isAdvertised: row["is_advertised"] === true, trouble: row["trouble"] === null ? null : String(row["trouble"]) };
}
