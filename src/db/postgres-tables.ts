import { LonghaulError } from "../base/error.ts";
import type { Migration } from "./migration.ts";
import type { PostgresDatabase, PostgresSession } from "./postgres.ts";

/** Of a table itself, `column` is null. */
export interface Made {
  readonly table: string;
  readonly column: string | null;
}

/** What a message names of what is missing; the rest is counted. */
const namedMax = 10;

/** Of a table that is gone, the columns are not told. */
const selectMissing = `SELECT DISTINCT concat_ws('.', made.table_name, CASE WHEN there.oid IS NOT NULL THEN made.column_name END) AS name
  FROM unnest($1::text[], $2::text[]) AS made (table_name, column_name)
  LEFT JOIN pg_class AS there ON relnamespace = to_regnamespace($3) AND relname = made.table_name AND relkind IN ('r', 'p')
  LEFT JOIN pg_attribute ON attrelid = there.oid AND attname = made.column_name AND attnum > 0 AND NOT attisdropped
  WHERE there.oid IS NULL OR (made.column_name IS NOT NULL AND attname IS NULL) ORDER BY name`;

/**
 * That a migration is noted as applied says that its tables and columns were made, not that they are there: without one, work waits for it, and nothing says why.
 * @throws {STORE_STATEMENT} that names those of the applied migrations that the schema lacks.
 */
export async function assertTables(session: PostgresSession, { where, schema }: PostgresDatabase, migrations: readonly Migration[], applied: ReadonlySet<string>): Promise<void> {
  const made = madeBy(migrations.filter(({ name }) => applied.has(name)));
  const missing = (await session.all(selectMissing, made.map(({ table }) => table), made.map(({ column }) => column), schema)).map((row) => String(row["name"]));
  if (missing.length === 0) return;
  const named = missing.length > namedMax ? [...missing.slice(0, namedMax), `and ${missing.length - namedMax} more`] : missing;
  throw new LonghaulError("STORE_STATEMENT", `The schema ${schema} at ${where} lacks ${named.join(", ")}, which longhaul made there: somebody renamed or dropped that. Rename it back, or restore it from a backup of PostgreSQL; no start of longhaul makes it anew.`);
}

/** The tables and columns that migrations make. Reads no more of SQL than these use: a test compares it with what PostgreSQL makes of each. */
export function madeBy(migrations: readonly Migration[]): readonly Made[] {
  return migrations.flatMap(({ sql }) => sql.replaceAll(/--.*$/gm, "").split(";").flatMap(readStatement));
}

function readStatement(statement: string): readonly Made[] {
  const [, changed, change = ""] = /^\s*ALTER TABLE (\w+)(.*)$/s.exec(statement) ?? [];
  if (changed !== undefined) return Array.from(change.matchAll(/\bADD COLUMN (\w+)/g), ([, column = ""]) => ({ table: changed, column }));
  const [, table, body = ""] = /^\s*CREATE TABLE (\w+)(?: \((.*?)\)(?: PARTITION BY [^)]*\))?\s*$)?/s.exec(statement) ?? [];
  return table === undefined ? [] : [{ table, column: null }, ...readColumns(body).map((column) => ({ table, column }))];
}

/** A constraint begins with a word in capitals. */
function readColumns(body: string): readonly string[] {
  let flat = body;
  for (let nested = ""; nested !== flat; flat = flat.replaceAll(/\([^()]*\)/g, "")) nested = flat;
  return flat.split(",").flatMap((item) => /^\s*([a-z_][a-z0-9_]*)/.exec(item)?.[1] ?? []);
}
