import type { Json } from "../base/json.ts";
import type { Migration } from "./migration.ts";
import { isInline, packText, unpackText } from "./payload-text.ts";
import type { PostgresSession } from "./postgres.ts";

/** In the lists of everybody who stores payloads; `migratePostgres` applies each once. `used_at`: when a row last came to refer to it, give or take an hour. */
export const payloadMigrations: readonly Migration[] = [
  { name: "0001-payload", sql: `CREATE TABLE lh_payload (hash text PRIMARY KEY, value text NOT NULL)` },
  { name: "0002-payload", sql: `ALTER TABLE lh_payload ADD COLUMN used_at timestamptz NOT NULL DEFAULT clock_timestamp()` },
];

// In the order of their hashes: two transactions that keep the same payloads never wait for each other crosswise. What is there and was marked as used within the hour is not locked at all.
const insertPayloads = `INSERT INTO lh_payload (hash, value)
  SELECT hash, value FROM unnest($1::text[], $2::text[]) AS new (hash, value)
  WHERE NOT EXISTS (SELECT 1 FROM lh_payload AS old WHERE old.hash = new.hash AND old.used_at > clock_timestamp() - interval '1 hour') ORDER BY hash
  ON CONFLICT (hash) DO UPDATE SET used_at = clock_timestamp()`;
const selectPayloads = "SELECT hash, value FROM lh_payload WHERE hash = ANY ($1::text[])";

/** The texts that rows keep for these JSON texts: see `packText`. What is long is a row of lh_payload, for all of them by one statement. */
export async function storeJson(session: PostgresSession, texts: readonly string[]): Promise<readonly string[]> {
  const payloads = new Map<string, string>();
  const packed = texts.map((text) => packText(text, (hash, payload) => payloads.set(hash, payload)));
  if (payloads.size > 0) await session.run(insertPayloads, [...payloads.keys()], [...payloads.values()]);
  return packed;
}

/** What `storeJson` was given. Payloads within payloads are fetched level by level, those of one level by one statement. */
export async function loadJson(session: PostgresSession, texts: readonly string[]): Promise<readonly Json[]> {
  const payloads = new Map<string, string>();
  if (texts.every(isInline)) return texts.map((text) => JSON.parse(text) as Json);
  for (;;) {
    const missing = new Set<string>();
    const values = texts.map((text) =>
      unpackText(text, (hash) => {
        const known = payloads.get(hash);
        if (known === undefined) missing.add(hash);
        return known ?? "null";
      }),
    );
    if (missing.size === 0) return values;
    await fetchPayloads(session, [...missing], payloads);
  }
}

async function fetchPayloads(session: PostgresSession, hashes: readonly string[], into: Map<string, string>): Promise<void> {
  for (const row of await session.all(selectPayloads, hashes)) into.set(String(row["hash"]), String(row["value"]));
  // A payload is written in the transaction that first refers to it.
  const lost = hashes.find((hash) => !into.has(hash));
  if (lost !== undefined) throw new Error(`payload ${lost} is not in the database`);
}
