import type { Json } from "../../base/json.ts";
import type { PostgresSession } from "../../db/postgres.ts";

const selectValue = "SELECT value FROM lh_meta WHERE name = $1";
const upsertValue = "INSERT INTO lh_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/** The value of this name, null when there is none. */
export async function getMeta(session: PostgresSession, name: string): Promise<Json> {
  const row = await session.get(selectValue, name);
  return row === undefined ? null : (JSON.parse(String(row["value"])) as Json);
}

export async function setMeta(tx: PostgresSession, name: string, value: Json): Promise<void> {
  await tx.run(upsertValue, name, JSON.stringify(value));
}
