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

/** Told of each payload that a row is about to refer to, while it is looked for those to which none does. */
const watchers = new WeakMap<SqliteDatabase, (hash: string) => void>();

/** Tells `watcher` of each payload that is referred to anew on this connection, the only one that writes. Null ends it. */
export function watchPayloads(db: SqliteDatabase, watcher: ((hash: string) => void) | null): void {
  if (watcher === null) watchers.delete(db);
  else watchers.set(db, watcher);
}

/** The text that a row keeps for this JSON text: see `packText`. What is long is a row of lh_payload. */
export function storeJson(db: SqliteDatabase, text: string): string {
  return packText(text, (hash, payload) => {
    watchers.get(db)?.(hash);
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
