import type { JsonObject } from "../../base/json.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";

const selectAll = "SELECT id, state FROM lh_trigger ORDER BY id";
const upsertState = "INSERT INTO lh_trigger (id, state) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state";

/** What every trigger remembers, by its id. */
export function allTriggerStates(db: SqliteDatabase): ReadonlyMap<string, JsonObject> {
  return new Map(db.allValues(selectAll).map(([id, state]) => [String(id), JSON.parse(String(state)) as JsonObject]));
}

export function setTriggerState(db: SqliteDatabase, triggerId: string, state: JsonObject): void {
  db.run(upsertState, triggerId, JSON.stringify(state));
}
