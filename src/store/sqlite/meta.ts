import type { Json } from "../../base/json.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { NamedValue } from "../store.ts";

const selectValue = "SELECT value FROM lh_meta WHERE name = ?";
const upsertValue = "INSERT INTO lh_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/** The value of this name, null when there is none. */
export function getMeta(db: SqliteDatabase, name: string): Json {
  const row = db.get(selectValue, name);
  return row === undefined ? null : (JSON.parse(String(row["value"])) as Json);
}

const insertValue = "INSERT INTO lh_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value = excluded.value";
const replaceValue = "UPDATE lh_meta SET value = ?1 WHERE name = ?2 AND value IN (?1, ?3)";

export function swapMeta(db: SqliteDatabase, name: string, before: Json, after: Json): boolean {
  const value = JSON.stringify(after);
  const { changes } = before === null ? db.run(insertValue, name, value) : db.run(replaceValue, value, name, JSON.stringify(before));
  return changes === 1;
}

export function listMeta(db: SqliteDatabase, prefix: string): readonly NamedValue[] {
  return db.all("SELECT name, value FROM lh_meta WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name", prefix).map((row) => ({ name: String(row["name"]), value: JSON.parse(String(row["value"])) as Json }));
}

export function setMeta(db: SqliteDatabase, name: string, value: Json): void {
  db.run(upsertValue, name, JSON.stringify(value));
}
