import type { JsonObject } from "../../base/json.ts";
import type { PostgresSession } from "../../db/postgres.ts";

const selectAll = `SELECT id, state FROM lh_trigger ORDER BY id COLLATE "C"`;
const upsertState = "INSERT INTO lh_trigger (id, state) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET state = excluded.state";

/** What every trigger remembers, by its id. */
export async function allTriggerStates(session: PostgresSession): Promise<ReadonlyMap<string, JsonObject>> {
  return new Map((await session.all(selectAll)).map((row) => [String(row["id"]), JSON.parse(String(row["state"])) as JsonObject]));
}

export async function setTriggerState(tx: PostgresSession, triggerId: string, state: JsonObject): Promise<void> {
  await tx.run(upsertState, triggerId, JSON.stringify(state));
}
