import type { PostgresRow, PostgresSession } from "../../db/postgres.ts";
import type { ComingWorker, LiveWorker } from "./team-address.ts";

/** How long a worker that is silent counts as alive. */
export const aliveMs = 30_000;

/** One that spoke after now was killed, and PostgreSQL's clock set back: it would count for as long as that. */
const isAlive = "seen_at BETWEEN clock_timestamp() - $1 * interval '1 ms' AND clock_timestamp() + $1 * interval '1 ms'";
const columns = "position, name, uri, is_advertised, trouble";

/** Those that live, in the order in which they came. */
export async function listWorkers(db: PostgresSession): Promise<readonly LiveWorker[]> {
  return (await db.all(`SELECT ${columns} FROM lh_worker WHERE ${isAlive} ORDER BY position`, aliveMs)).map(toWorker);
}

/** Notes a worker that came, forgets those that are gone, and returns its position. */
export async function addWorker(db: PostgresSession, { name, uri, isAdvertised }: ComingWorker): Promise<number> {
  const row = await db.get(
    `WITH gone AS (DELETE FROM lh_worker WHERE seen_at < clock_timestamp() - interval '30 days')
     INSERT INTO lh_worker (name, uri, is_advertised, seen_at) VALUES ($1, $2, $3, clock_timestamp()) RETURNING position`,
    name, uri, isAdvertised,
  );
  return Number(row?.["position"]);
}

/** A worker says that it lives, and whether it reaches Restate. Returns all others that do, and itself, when it still has its row. */
export async function beatWorker(db: PostgresSession, position: number, trouble: string | null): Promise<readonly LiveWorker[]> {
  const rows = await db.all(
    `WITH own AS (UPDATE lh_worker SET seen_at = clock_timestamp(), trouble = $3 WHERE position = $2 RETURNING ${columns})
     SELECT ${columns} FROM own UNION ALL SELECT ${columns} FROM lh_worker WHERE position <> $2 AND ${isAlive} ORDER BY position`,
    aliveMs, position, trouble,
  );
  return rows.map(toWorker);
}

export async function removeWorker(db: PostgresSession, position: number): Promise<void> {
  await db.run("DELETE FROM lh_worker WHERE position = $1", position);
}

function toWorker(row: PostgresRow): LiveWorker {
  return { position: Number(row["position"]), name: String(row["name"]), uri: String(row["uri"]), isAdvertised: row["is_advertised"] === true, trouble: row["trouble"] === null ? null : String(row["trouble"]) };
}
