import { systemClock } from "../../src/base/clock.ts";
import { macrotask } from "../../src/base/turn.ts";
import type { SqlInput, SqliteDatabase } from "../../src/db/sqlite.ts";

/** Rows of one table, in the order in which the engine wrote them. */
interface Rows {
  readonly insert: string;
  readonly rows: readonly (readonly SqlInput[])[];
}

/** The journal, and the records beside it, that the engine left in a file. */
export function readRows(db: SqliteDatabase, tables: readonly string[]): readonly Rows[] {
  return tables.map((table) => {
    const found = db.all(`SELECT * FROM ${table} ORDER BY position`);
    const columns = Object.keys(found[0] ?? {});
    return { insert: `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`, rows: found.map((row) => Object.values(row) as SqlInput[]) };
  });
}

/**
 * The limit of the layout: the same rows, in the same order and into the same tables with the same indexes, `groupSize` steps in a transaction, each with its
 * fsync, and nothing else. One turn of the event loop between two groups, as anybody who serves callers must grant.
 */
export async function writeBare(db: SqliteDatabase, tables: readonly Rows[], groupSize: number): Promise<{ readonly ms: number; readonly commits: number }> {
  const steps = tables[0]?.rows.length ?? 0;
  const beganAtMs = systemClock.monotonicMs();
  let commits = 0;
  for (let from = 0; from < steps; from += groupSize) {
    db.run("BEGIN IMMEDIATE");
    for (let index = from; index < Math.min(from + groupSize, steps); index++) {
      for (const { insert, rows } of tables) db.run(insert, ...(rows[index] ?? []));
    }
    db.run("COMMIT");
    commits++;
    await macrotask();
  }
  return { ms: systemClock.monotonicMs() - beganAtMs, commits };
}
