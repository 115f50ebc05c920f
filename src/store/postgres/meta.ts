import type { Json } from "../../base/json.ts";
import type { PostgresSession } from "../../db/postgres.ts";
import type { NamedValue } from "../store.ts";

const selectValue = "SELECT value FROM lh_meta WHERE name = $1";
const upsertValue = "INSERT INTO lh_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/** The value of this name, null when there is none. */
export async function getMeta(session: PostgresSession, name: string): Promise<Json> {
  const row = await session.get(selectValue, name);
  return row === undefined ? null : (JSON.parse(String(row["value"])) as Json);
}

const insertValue = "INSERT INTO lh_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE lh_meta.value = excluded.value";
const replaceValue = "UPDATE lh_meta SET value = $2 WHERE name = $1 AND value IN ($2, $3)";

export async function swapMeta(tx: PostgresSession, name: string, before: Json, after: Json): Promise<boolean> {
  const value = JSON.stringify(after);
  const { changes } = before === null ? await tx.run(insertValue, name, value) : await tx.run(replaceValue, name, value, JSON.stringify(before));
  return changes === 1;
}

export async function listMeta(session: PostgresSession, prefix: string): Promise<readonly NamedValue[]> {
  const rows = await session.all('SELECT name, value FROM lh_meta WHERE starts_with(name, $1) ORDER BY name COLLATE "C"', prefix);
  return rows.map((row) => ({ name: String(row["name"]), value: JSON.parse(String(row["value"])) as Json }));
}

export async function setMeta(tx: PostgresSession, name: string, value: Json): Promise<void> {
  await tx.run(upsertValue, name, JSON.stringify(value));
}
