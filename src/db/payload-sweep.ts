import type { GroupCommit } from "./group-commit.ts";
import { listReferences, referenceMark } from "./payload-text.ts";
import { watchPayloads } from "./payload.ts";
import type { SqliteDatabase } from "./sqlite.ts";

/** By table, the columns that `storeJson` made the texts of. */
export type PayloadColumns = Readonly<Record<string, readonly string[]>>;

export interface PayloadSweepOptions {
  /** The writer's connection. */
  readonly db: SqliteDatabase;
  readonly commit: GroupCommit;
  readonly columns: PayloadColumns;
  /** Lets others have their turn, between two slices of the work. Rejects when it is to end. */
  readonly rest: () => Promise<void>;
}

/** Payloads that are looked for in one sweep: their hashes are in memory meanwhile. */
const candidatesMax = 20_000;
/** Rows that are read in one slice, and payloads that are deleted in one commit. */
const rowsAtOnce = 1_000;
const deletedAtOnce = 100;

/**
 * Deletes payloads to which no row refers, among those behind `afterSerial`; to be called again from where it came to, which is 0 at the end. It reads every row in between, in
 * slices: a payload to which a row comes to refer meanwhile is told of by `watchPayloads`, and rows that are copied within the file are there to be seen in one place or the other.
 * Nothing else deletes rows meanwhile. A payload within a payload that is deleted goes with the next sweep.
 */
export async function sweepPayloads({ db, commit, columns, rest }: PayloadSweepOptions, afterSerial: number): Promise<{ readonly deleted: number; readonly cameTo: number }> {
  const rows = db.all(`SELECT serial, hash FROM lh_payload WHERE serial > ? ORDER BY serial LIMIT ${candidatesMax}`, afterSerial);
  const unseen = new Map(rows.map((row) => [String(row["hash"]), Number(row["serial"])]));
  watchPayloads(db, (hash) => unseen.delete(hash));
  try {
    for (const [table, names] of Object.entries({ ...columns, lh_payload: ["value"] })) {
      for (let position: number | null = 0; position !== null && unseen.size > 0; await rest()) position = look(db, table, names, position, unseen);
    }
    let deleted = 0;
    while (unseen.size > 0) {
      const some = [...unseen.keys()].slice(0, deletedAtOnce);
      deleted += await commit.submit((tx) => deleteUnseen(tx, some, unseen), { mayRepeat: true });
      for (const hash of some) unseen.delete(hash);
      await rest();
    }
    return { deleted, cameTo: rows.length < candidatesMax ? 0 : Number(rows.at(-1)?.["serial"]) };
  } finally {
    watchPayloads(db, null);
  }
}

/** Strikes out what a slice of rows refers to. Returns where the slice ended; null when there was none. */
function look(db: SqliteDatabase, table: string, columns: readonly string[], position: number, unseen: Map<string, number>): number | null {
  const last = db.get(`SELECT max(rowid) AS last FROM (SELECT rowid FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${rowsAtOnce})`, position)?.["last"];
  if (typeof last !== "number") return null;
  for (const column of columns) {
    for (const row of db.all(`SELECT ${column} AS text FROM ${table} WHERE rowid > ? AND rowid <= ? AND instr(${column}, ?) > 0`, position, last, referenceMark)) {
      for (const hash of listReferences(String(row["text"]))) unseen.delete(hash);
    }
  }
  return last;
}

/** What was seen until this very commit stays. */
function deleteUnseen(db: SqliteDatabase, hashes: readonly string[], unseen: ReadonlyMap<string, number>): number {
  return hashes.reduce((deleted, hash) => deleted + (unseen.has(hash) ? db.run("DELETE FROM lh_payload WHERE hash = ?", hash).changes : 0), 0);
}
