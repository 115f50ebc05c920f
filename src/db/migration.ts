import { LonghaulError } from "../base/error.ts";
import type { SqliteDatabase } from "./sqlite.ts";

/** A forward step of the data format. Never edited after a release; a change is a new migration. */
export interface Migration {
  /** "0001-engine". Applied in the order of the list. */
  readonly name: string;
  readonly sql: string;
}

/**
 * Brings a data file up to date in one transaction; safe with several processes starting at once.
 * @throws {STORE_VERSION} when the file holds migrations that this version does not know.
 */
export function migrate(db: SqliteDatabase, migrations: readonly Migration[]): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.exec("CREATE TABLE IF NOT EXISTS lh_migration (name TEXT PRIMARY KEY) STRICT");
    const applied = new Set(assertKnown(db, migrations));
    for (const { name, sql } of migrations) {
      if (applied.has(name)) continue;
      db.exec(sql);
      db.run("INSERT INTO lh_migration (name) VALUES (?)", name);
      applied.add(name);
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/**
 * The migrations that the file holds; changes nothing.
 * @throws {STORE_VERSION} when one of them is not known to this version.
 */
export function assertKnown(db: SqliteDatabase, migrations: readonly Migration[]): ReadonlySet<string> {
  const applied = new Set(db.all("SELECT name FROM lh_migration").map((row) => String(row["name"])));
  const unknown = findUnknown(applied, migrations);
  if (unknown.length === 0) return applied;
  throw new LonghaulError("STORE_VERSION", `${db.path} was written by a newer version of longhaul (it has ${unknown.join(", ")}). Upgrade longhaul, or give another --data directory.`);
}

/** The names among `applied` that this version does not know. */
export function findUnknown(applied: ReadonlySet<string>, migrations: readonly Migration[]): readonly string[] {
  const known = new Set(migrations.map((migration) => migration.name));
  return [...applied].filter((name) => !known.has(name));
}
