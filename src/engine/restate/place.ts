import { isMissingRight } from "../../db/postgres-failure.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";

const query = "SELECT system_identifier::text AS cluster, (SELECT oid::text FROM pg_database WHERE datname = current_database()) AS database FROM pg_control_system()";

/** Tells the database of a team from that of another one of the same name, also from one that it was dumped to. Null where this user may not know. */
export async function readPlace(db: PostgresDatabase): Promise<string | null> {
  try {
    const row = await db.get(query);
    return `${String(row?.["cluster"])}.${String(row?.["database"])}.${db.schema}`;
  } catch (error) {
    if (isMissingRight(error)) return null;
    throw error;
  }
}
