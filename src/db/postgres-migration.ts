import { LonghaulError } from "../base/error.ts";
import { type Migration, findUnknown } from "./migration.ts";
import { asMissingRight } from "./postgres-failure.ts";
import { assertTables } from "./postgres-tables.ts";
import type { PostgresDatabase, PostgresSession } from "./postgres.ts";

/** "lhdb" in ASCII. With the hash of the schema it names the lock that the processes which migrate one schema take in turn. */
const lockClass = 0x6c_68_64_62;

// A migration may take longer than a statement of daily work, and waits as long as it must for the others who start. The names are
// qualified: the first one that is not makes PostgreSQL look up the search path, and a schema that another process makes at that moment stays unseen (measured, 18.4).
const lock = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SELECT pg_catalog.pg_advisory_xact_lock(${lockClass}, pg_catalog.hashtext(pg_catalog.current_setting('search_path')))`;
const selectApplied = "SELECT name FROM lh_migration";
const insertApplied = "INSERT INTO lh_migration (name) VALUES ($1)";
const isThere = "SELECT to_regnamespace($1) IS NOT NULL AS schema, to_regclass($2) IS NOT NULL AS migrations";
const selectForeign = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p', 'v', 'm') ORDER BY relname LIMIT 3";

/**
 * Brings the schema of `db` up to date, one transaction for each migration; safe with any number of processes starting at once: they take turns under an
 * advisory lock, and each looks again what is left to do.
 * @throws {STORE_VERSION} when the schema holds migrations that this version does not know, or another application's tables. @throws {STORE_REFUSED} {STORE_STATEMENT} when a table or column of theirs is gone
 */
export async function migratePostgres(db: PostgresDatabase, migrations: readonly Migration[]): Promise<void> {
  try {
    await migrate(db, migrations);
  } catch (error) {
    throw asMissingRight(db, error);
  }
}

async function migrate(db: PostgresDatabase, migrations: readonly Migration[]): Promise<void> {
  await db.transaction((tx) => prepareSchema(tx, db), { idempotent: true });
  await assertTables(db, db, migrations, await assertKnownSchema(db, db, migrations));
  for (const { name, sql } of uniqueByName(migrations)) {
    await db.transaction(
      async (tx) => {
        await tx.exec(lock);
        if ((await assertKnownSchema(tx, db, migrations)).has(name)) return;
        await tx.exec(sql);
        await tx.run(insertApplied, name);
      },
      // Whoever does it again finds the name among the applied ones.
      { idempotent: true },
    );
  }
}

/**
 * The migrations that the schema holds; changes nothing.
 * @throws {STORE_VERSION} when one of them is not known to this version.
 */
export async function assertKnownSchema(session: PostgresSession, { where, schema }: PostgresDatabase, migrations: readonly Migration[]): Promise<ReadonlySet<string>> {
  const applied = new Set((await session.all(selectApplied)).map((row) => String(row["name"])));
  const unknown = findUnknown(applied, migrations);
  if (unknown.length === 0) return applied;
  throw new LonghaulError("STORE_VERSION", `The schema ${schema} at ${where} was written by a newer version of longhaul (it has ${unknown.join(", ")}). Upgrade longhaul, or use another schema.`);
}

async function prepareSchema(tx: PostgresSession, { where, schema }: PostgresDatabase): Promise<void> {
  await tx.exec(lock);
  const there = await tx.get(isThere, schema, `${schema}.lh_migration`);
  if (there?.["migrations"] === true) return;
  const foreign = (await tx.all(selectForeign, schema)).map((row) => String(row["relname"]));
  if (foreign.length > 0) {
    throw new LonghaulError("STORE_VERSION", `The schema ${schema} at ${where} holds tables of another application (${foreign.join(", ")}). Use another schema or database.`);
  }
  // Asked only where it is missing: "IF NOT EXISTS" would want the right to create schemas all the same.
  if (there?.["schema"] !== true) await tx.exec(`CREATE SCHEMA ${schema}`);
  await tx.exec(`CREATE TABLE ${schema}.lh_migration (name text PRIMARY KEY)`);
}

function uniqueByName(migrations: readonly Migration[]): readonly Migration[] {
  return [...new Map(migrations.map((migration) => [migration.name, migration])).values()];
}
