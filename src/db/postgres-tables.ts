import { LonghaulError } from "../base/error.ts";
import type { Migration } from "./migration.ts";
import type { PostgresDatabase, PostgresSession } from "./postgres.ts";

const selectMissing = `SELECT name FROM unnest($1::text[]) AS name
  WHERE NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace($2) AND relname = name AND relkind IN ('r', 'p')) ORDER BY name`;

/**
 * That a migration is noted as applied says that its tables were made, not that they are there: without one, work waits for it, and nothing says why.
 * @throws {STORE_STATEMENT} that names those of the applied migrations that the schema lacks.
 */
export async function assertTables(session: PostgresSession, { where, schema }: PostgresDatabase, migrations: readonly Migration[], applied: ReadonlySet<string>): Promise<void> {
  const made = migrations.filter(({ name }) => applied.has(name)).flatMap(({ sql }) => Array.from(sql.matchAll(/^CREATE TABLE (\w+)/gm), ([, table]) => String(table)));
  const missing = (await session.all(selectMissing, made, schema)).map((row) => String(row["name"]));
  if (missing.length === 0) return;
  throw new LonghaulError("STORE_STATEMENT", `The schema ${schema} at ${where} lacks ${missing.join(", ")}, which longhaul made there: somebody renamed or dropped that. Rename it back, or restore it from a backup of PostgreSQL; no start of longhaul makes it anew.`);
}
