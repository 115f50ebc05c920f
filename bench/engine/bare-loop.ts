import { macrotask } from "../../src/base/turn.ts";
import type { SqlInput, SqliteDatabase } from "../../src/db/sqlite.ts";
import { Meter, type Used } from "./meter.ts";

/** Rows of one table, in the order in which the engine wrote them. */
export interface Rows {
  readonly insert: string;
  readonly rows: readonly (readonly SqlInput[])[];
}

const orderOf = { lh_task: "serial", lh_run: "serial", lh_journal: "position", lh_record: "position" } as const;

/** All that the engine left in a file: tasks, runs, the journal, and the records beside it. */
export function readRows(db: SqliteDatabase): readonly Rows[] {
  return Object.entries(orderOf).map(([table, order]) => {
    const found = db.all(`SELECT * FROM ${table} ORDER BY ${order}`);
    const columns = Object.keys(found[0] ?? {});
    return { insert: `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`, rows: found.map((row) => Object.values(row) as SqlInput[]) };
  });
}

/**
 * The limit of the layout: the same rows, each once and as the engine left it, into the same tables with the same indexes, in as many transactions as the engine made, each with
 * its fsync, and nothing else. One turn of the event loop between two, as anybody who serves callers must grant.
 */
export async function writeBare(db: SqliteDatabase, tables: readonly Rows[], commits: number): Promise<Used> {
  const meter = new Meter();
  for (let commit = 0; commit < commits; commit++) {
    db.run("BEGIN IMMEDIATE");
    for (const { insert, rows } of tables) {
      const until = Math.floor((rows.length * (commit + 1)) / commits);
      for (let index = Math.floor((rows.length * commit) / commits); index < until; index++) db.run(insert, ...(rows[index] ?? []));
    }
    db.run("COMMIT");
    await macrotask();
  }
  return meter.used();
}
