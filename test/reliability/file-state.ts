import { createHash } from "node:crypto";
import type { JsonObject } from "../../src/base/json.ts";
import { loadJson } from "../../src/db/payload.ts";
import { type Row, SqliteDatabase } from "../../src/db/sqlite.ts";
import { findInconsistencies } from "../../src/engine/sqlite/inconsistencies.testsuite.ts";
import type { TaskEnd, TaskStatus, WaitingReason } from "../../src/record/task.ts";
import { databasePath } from "./disk-image.ts";

/** What a data file holds, as plain data. */
export interface FileState {
  readonly tasks: readonly StoredTask[];
  readonly runs: readonly { readonly id: string; readonly taskId: string }[];
  readonly journal: readonly JournalEntry[];
  readonly keys: readonly { readonly key: string; readonly taskId: string }[];
  readonly reservations: readonly StoredReservation[];
  readonly taskMoney: readonly { readonly taskId: string; readonly countedMicroUsd: number }[];
  readonly dayMoney: readonly { readonly agent: string; readonly day: number; readonly countedMicroUsd: number }[];
  readonly effects: readonly { readonly key: string; readonly state: string }[];
  readonly records: readonly StoredRecord[];
  /** Rows of the tables that the team itself made. */
  readonly userTables: Readonly<Record<string, readonly Row[]>>;
  /** What SQLite, or a rule that holds at every instant, finds wrong. */
  readonly problems: readonly string[];
  /** Of everything but the owner's row: two files with the same digest hold the same. */
  readonly digest: string;
}

export interface StoredTask {
  readonly id: string;
  readonly agent: string;
  readonly key: string | null;
  readonly source: string;
  readonly status: TaskStatus;
  readonly waitingReason: WaitingReason | null;
  readonly runId: string | null;
  readonly recoveries: number;
  readonly end: TaskEnd | null;
}

export interface JournalEntry {
  readonly runId: string;
  /** Its place in the order of completion, of all runs together. */
  readonly seq: number;
  /** As the outside knows it: `<run>/<kind>/<name>/<occurrence>`. */
  readonly key: string;
  readonly outcome: string;
  readonly completedAtMs: number;
}

export interface StoredReservation {
  readonly stepKey: string;
  readonly agent: string;
  readonly taskId: string;
  readonly day: number;
  readonly state: "open" | "settled" | "lost" | "released";
  readonly amountMicroUsd: number;
  readonly countedMicroUsd: number;
}

export interface StoredRecord {
  readonly id: string;
  readonly eventType: string;
  readonly taskId: string | null;
  readonly runId: string | null;
  readonly result: string | null;
  readonly costMicroUsd: number | null;
  readonly data: JsonObject;
}

/** Reads a data file that nobody has open, after SQLite has recovered it, and gives it to a machine that has booted anew. */
export function readAfterCrash(directory: string): FileState {
  const db = SqliteDatabase.open(databasePath(directory));
  try {
    const state = readFileState(db);
    // What owned the file did so in another life of the machine: nobody needs to wait for its lease.
    db.run("UPDATE lh_owner SET boot_id = 'the boot before'");
    return state;
  } finally {
    db.close();
  }
}

/** Reads a data file as it is. */
export function readFileOf(directory: string): FileState {
  const db = SqliteDatabase.open(databasePath(directory));
  try {
    return readFileState(db);
  } finally {
    db.close();
  }
}

function readFileState(db: SqliteDatabase): FileState {
  const names = db.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name").map((row) => String(row["name"]));
  const tables = new Map(names.map((name) => [name, db.all(`SELECT * FROM "${name}"`)]));
  const rowsOf = (name: string): readonly Row[] => tables.get(name) ?? [];
  const digest = createHash("sha256");
  for (const [name, rows] of tables) if (name !== "lh_owner") digest.update(`${name}\n${JSON.stringify(rows)}\n`);
  return {
    tasks: rowsOf("lh_task").map((row) => taskFromRow(db, row)),
    runs: rowsOf("lh_run").map((row) => ({ id: String(row["id"]), taskId: String(row["task_id"]) })),
    journal: names.includes("lh_journal") ? db.all(journal).map((row, index) => journalFromRow(db, row, index)) : [],
    keys: rowsOf("lh_key").map((row) => ({ key: String(row["key"]), taskId: String(row["task_id"]) })),
    reservations: rowsOf("lh_reservation").map(reservationFromRow),
    taskMoney: rowsOf("lh_task_money").map((row) => ({ taskId: String(row["task_id"]), countedMicroUsd: Number(row["counted_micro_usd"]) })),
    dayMoney: rowsOf("lh_day_money").map((row) => ({ agent: String(row["agent"]), day: Number(row["day"]), countedMicroUsd: Number(row["counted_micro_usd"]) })),
    effects: rowsOf("lh_effect").map((row) => ({ key: String(row["key"]), state: String(row["state"]) })),
    records: rowsOf("lh_record").map((row) => recordFromRow(db, row)),
    userTables: Object.fromEntries([...tables].filter(([name]) => !name.startsWith("lh_"))),
    problems: [...integrityProblems(db), ...findProblems(db)],
    digest: digest.digest("hex"),
  };
}

function integrityProblems(db: SqliteDatabase): readonly string[] {
  const found = db.all("PRAGMA integrity_check").map((row) => String(row["integrity_check"]));
  return found.length === 1 && found[0] === "ok" ? [] : found.map((problem) => `SQLite: ${problem}`);
}

const journal = "SELECT lh_run.id AS run_id, lh_journal.* FROM lh_journal LEFT JOIN lh_run ON lh_run.serial = lh_journal.run ORDER BY position";

/** What must hold between the engine's tables and those of the store. */
const betweenTables: Readonly<Record<string, string>> = {
  "a task with a key does not hold it": "SELECT id FROM lh_task WHERE key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lh_key WHERE lh_key.key = lh_task.key AND lh_key.task_id = lh_task.id)",
  "a task that does not execute has money set aside": "SELECT lh_task.id FROM lh_reservation JOIN lh_task ON lh_task.id = task_id WHERE state = 'open' AND lh_task.status <> 'running'",
};

function findProblems(db: SqliteDatabase): readonly string[] {
  // A file that nobody has finished making holds nothing that could be wrong.
  return db.get("SELECT 1 FROM sqlite_schema WHERE name = 'lh_outbox'") === undefined ? [] : findInconsistencies(db, betweenTables);
}

function taskFromRow(db: SqliteDatabase, row: Row): StoredTask {
  return {
    id: String(row["id"]),
    agent: String(row["agent"]),
    key: textOrNull(row["key"]),
    source: String(row["source"]),
    status: row["status"] as TaskStatus,
    waitingReason: textOrNull(row["waiting_reason"]) as WaitingReason | null,
    runId: textOrNull(row["run_id"]),
    recoveries: Number(row["recoveries"]),
    end: row["end"] === null ? null : (loadJson(db, String(row["end"])) as unknown as TaskEnd),
  };
}

function journalFromRow(db: SqliteDatabase, row: Row, index: number): JournalEntry {
  const [runId, kind] = [String(row["run_id"]), String(row["kind"])];
  return { runId, seq: index + 1, key: `${runId}/${kind}/${String(row["name"])}/${String(row["occurrence"])}`, outcome: JSON.stringify(loadJson(db, String(row["outcome"]))), completedAtMs: Number(row["completed_at_ms"]) };
}

function reservationFromRow(row: Row): StoredReservation {
  return {
    stepKey: String(row["step_key"]),
    agent: String(row["agent"]),
    taskId: String(row["task_id"]),
    day: Number(row["day"]),
    state: row["state"] as StoredReservation["state"],
    amountMicroUsd: Number(row["amount_micro_usd"]),
    countedMicroUsd: Number(row["counted_micro_usd"]),
  };
}

function recordFromRow(db: SqliteDatabase, row: Row): StoredRecord {
  return {
    id: String(row["id"]),
    eventType: String(row["event_type"]),
    taskId: textOrNull(row["task_id"]),
    runId: textOrNull(row["run_id"]),
    result: textOrNull(row["result"]),
    costMicroUsd: typeof row["cost_micro_usd"] === "number" ? row["cost_micro_usd"] : null,
    data: loadJson(db, String(row["data"])) as JsonObject,
  };
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
