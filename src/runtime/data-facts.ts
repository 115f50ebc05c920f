import type { SqliteDatabase } from "../db/sqlite.ts";
import { readOwner } from "../engine/sqlite/owner-state.ts";

/** What a data file holds, as far as somebody has to know who copies it or puts a copy in its place. */
export interface DataFacts {
  readonly tasks: number;
  readonly openTasks: number;
  /** When the last commit was made of which the file knows the time: what happened until then is in it. Null: nothing ever happened. */
  readonly newestCommitAtMs: number | null;
  /** Of the last owner; 0: nobody ever owned it. */
  readonly epoch: number;
}

// An owner renews its lease by a commit, so a team that has nothing to do says every few seconds that it is there. Records have the order of their commits.
const selectFacts = `SELECT (SELECT count(*) FROM lh_task) AS tasks, (SELECT count(*) FROM lh_task WHERE ended_at_ms IS NULL) AS open_tasks,
  (SELECT at_ms FROM lh_record ORDER BY position DESC LIMIT 1) AS recorded_at_ms`;

export function readDataFacts(db: SqliteDatabase): DataFacts {
  const row = db.get(selectFacts);
  const owner = readOwner(db);
  const newestAtMs = Math.max(Number(row?.["recorded_at_ms"] ?? 0), owner?.renewedAtMs ?? 0);
  return { tasks: Number(row?.["tasks"]), openTasks: Number(row?.["open_tasks"]), newestCommitAtMs: newestAtMs === 0 ? null : newestAtMs, epoch: owner?.epoch ?? 0 };
}

/** The last rows of a data file: what came later has higher numbers, whatever the clocks said. 0: there is none. */
export interface NewestRows {
  readonly task: number;
  readonly run: number;
  /** Of the journal. */
  readonly step: number;
  /** Of the ledger of `once` calls. */
  readonly effect: number;
}

export function readNewestRows(db: SqliteDatabase): NewestRows {
  const newest = (column: string, table: string): number => Number(db.get(`SELECT coalesce(max(${column}), 0) AS newest FROM ${table}`)?.["newest"]);
  return { task: newest("serial", "lh_task"), run: newest("serial", "lh_run"), step: newest("position", "lh_journal"), effect: newest("rowid", "lh_effect") };
}

/** A copy belongs to nobody: whoever starts on it must not take the owner of what it was copied from for its own, and end it. */
export const disownData = "UPDATE lh_owner SET pid = NULL";

/** The owners to come are told from those of another file, and from each of its own: their epochs are higher. */
export function setEpochAbove(db: SqliteDatabase, epoch: number): void {
  db.run("UPDATE lh_owner SET epoch = max(epoch, ?)", epoch);
}

/** What one data file knows of and another does not. */
export interface LostWork {
  /** Tasks that it does not have. */
  readonly tasks: number;
  /** Tasks that ended, and are open in it. */
  readonly ended: number;
  readonly steps: number;
  /** Calls of `once` tools that were made or begun, and that it has no intent of, oldest first. */
  readonly effects: readonly LostEffect[];
}

export interface LostEffect {
  readonly tool: string | null;
  readonly taskId: string | null;
  readonly runId: string | null;
  /** False: its outcome is not known. */
  readonly isCompleted: boolean;
}

const lostEffectsMax = 1_000;

/** What `db` holds and the file at `path` does not. */
export function listLost(db: SqliteDatabase, path: string): LostWork {
  db.run("ATTACH ? AS other", path);
  const count = (sql: string): number => Number(db.get(sql)?.["n"]);
  return {
    tasks: count("SELECT count(*) AS n FROM main.lh_task WHERE id NOT IN (SELECT id FROM other.lh_task)"),
    ended: count("SELECT count(*) AS n FROM main.lh_task AS mine JOIN other.lh_task AS theirs USING (id) WHERE mine.ended_at_ms IS NOT NULL AND theirs.ended_at_ms IS NULL"),
    steps: count("SELECT count(*) AS n FROM main.lh_journal WHERE position > (SELECT coalesce(max(position), 0) FROM other.lh_journal)"),
    effects: db
      .all(`SELECT tool_name, task_id, run_id, state FROM main.lh_effect WHERE key NOT IN (SELECT key FROM other.lh_effect) ORDER BY intended_at_ms LIMIT ${lostEffectsMax}`)
      .map((row) => ({ tool: textOf(row["tool_name"]), taskId: textOf(row["task_id"]), runId: textOf(row["run_id"]), isCompleted: row["state"] === "completed" })),
  };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
