import type { Json } from "../../base/json.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";

const selectValue = "SELECT value FROM lh_meta WHERE name = ?";
const upsertValue = "INSERT INTO lh_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/** The value of this name, null when there is none. */
export function getMeta(db: SqliteDatabase, name: string): Json {
  const row = db.get(selectValue, name);
  return row === undefined ? null : (JSON.parse(String(row["value"])) as Json);
}

export function setMeta(db: SqliteDatabase, name: string, value: Json): void {
  db.run(upsertValue, name, JSON.stringify(value));
}
