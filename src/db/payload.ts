import type { Json } from "../base/json.ts";
import type { Migration } from "./migration.ts";
import { packText, unpackText } from "./payload-text.ts";
import type { SqliteDatabase } from "./sqlite.ts";

/** In the lists of everybody who stores payloads; `migrate` applies it once. */
export const payloadMigration: Migration = {
  name: "0001-payload",
  sql: `
    CREATE TABLE lh_payload (
      serial INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, value TEXT NOT NULL
    ) STRICT;
  `,
};

/** The text that a row keeps for this JSON text: see `packText`. What is long is a row of lh_payload. */
export function storeJson(db: SqliteDatabase, text: string): string {
  return packText(text, (hash, payload) => {
    db.run("INSERT INTO lh_payload (hash, value) VALUES (?, ?) ON CONFLICT DO NOTHING", hash, payload);
  });
}

/** What `storeJson` was given. */
export function loadJson(db: SqliteDatabase, text: string): Json {
  return unpackText(text, (hash) => {
    const row = db.get("SELECT value FROM lh_payload WHERE hash = ?", hash);
    // A payload is written in the commit that first refers to it.
    if (row === undefined) throw new Error(`payload ${hash} is not in ${db.path}`);
    return String(row["value"]);
  });
}
