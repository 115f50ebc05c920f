import type { PostgresDatabase } from "./postgres.ts";

/**
 * Deletes payloads to which no row refers, by one statement that reads every row: `columns` are, by table, those that `storeJson` made the texts of. A payload that a transaction
 * comes to refer to meanwhile is new or was marked as used within the hour, and what was used within a day stays. A payload within one that is deleted goes with the next sweep.
 */
export async function sweepPayloads(db: PostgresDatabase, columns: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const texts = Object.entries({ ...columns, lh_payload: ["value"] }).flatMap(([table, names]) => names.map((name) => `SELECT ${name} AS text FROM ${table} WHERE strpos(${name}, '"$payload"') > 0`));
  await db.transaction(
    (tx) =>
      tx.exec(`SET LOCAL statement_timeout = '1h';
        WITH used AS MATERIALIZED (SELECT DISTINCT (regexp_matches(text, '"\\$payload":"([^"]+)"', 'g'))[1] AS hash FROM (${texts.join(" UNION ALL ")}) AS texts)
        DELETE FROM lh_payload WHERE hash IN (SELECT old.hash FROM lh_payload AS old WHERE used_at < clock_timestamp() - interval '1 day' AND NOT EXISTS (SELECT FROM used WHERE used.hash = old.hash) FOR UPDATE SKIP LOCKED)`),
    { idempotent: true },
  );
}
