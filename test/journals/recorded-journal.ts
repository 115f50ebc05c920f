import { join } from "node:path";
import { migrate } from "../../src/db/migration.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { journalFormat } from "../../src/engine/journaled-step.ts";
import { appendStep, getRun, insertRun, listSteps } from "../../src/engine/sqlite/journal.ts";
import { getTask, insertTask, saveTask } from "../../src/engine/sqlite/tasks.ts";
import { insertWait, listWaits, type StoredWait } from "../../src/engine/sqlite/waits.ts";
import type { CompletedStep } from "../../src/record/step.ts";
import type { NewTask, TaskEnd, TaskStatus, WaitingReason } from "../../src/record/task.ts";
import { dataMigrations } from "../../src/runtime/open-data.ts";
import { readText } from "../docs/markdown.ts";
import { codeScenarios } from "./code-scenarios.ts";
import { modelScenarios } from "./model-scenarios.ts";
import type { Scenario } from "./scenario.ts";

/** A run as it was when it was recorded, in the words of the journal's format. */
export interface RecordedJournal {
  readonly about: string;
  readonly format: number;
  readonly loopVersion: number;
  readonly recordedAtMs: number;
  readonly task: NewTask & { readonly createdAtMs: number };
  readonly run: { readonly id: string; readonly startedAtMs: number };
  /** In the order in which they ended. */
  readonly steps: readonly CompletedStep[];
  readonly waits: readonly Omit<StoredWait, "run">[];
  /** What it came to, or what it waits for. */
  readonly outcome: { readonly status: TaskStatus; readonly waitingReason: WaitingReason | null; readonly end: TaskEnd | null };
}

export const scenarios: readonly Scenario[] = [...codeScenarios, ...modelScenarios];
export const recordedFolder = "test/journals/recorded";

export function readRecorded(name: string): RecordedJournal {
  return JSON.parse(readText(`${recordedFolder}/${name}.json`)) as RecordedJournal;
}

/** What a data directory holds of a task's run. */
export function readJournal(directory: string, taskId: string, about: string, recordedAtMs: number): RecordedJournal {
  const db = SqliteDatabase.openReadOnly(join(directory, "longhaul.db"));
  try {
    const task = getTask(db, taskId);
    const run = task?.runId === undefined || task.runId === null ? null : getRun(db, task.runId);
    if (task === null || run === null) throw new Error(`task ${taskId} has no run`);
    const { id, agent, input, key, priority, notBeforeAtMs, deadlineAtMs, depth, source, createdAtMs, status, waitingReason, end } = task;
    return {
      about,
      format: run.format,
      loopVersion: run.loopVersion,
      recordedAtMs,
      task: { id, agent, input, key, priority, notBeforeAtMs, deadlineAtMs, depth, source, createdAtMs },
      run: { id: run.id, startedAtMs: run.startedAtMs },
      steps: listSteps(db, run.id),
      waits: listWaits(db, run.serial).map(({ kind, name, occurrence, number, reason, sinceAtMs, dueAtMs, signal, childTaskId }) => ({ kind, name, occurrence, number, reason, sinceAtMs, dueAtMs, signal, childTaskId })),
      outcome: { status, waitingReason, end },
    };
  } finally {
    db.close();
  }
}

/** Makes a data directory that holds the task with its journal and its waits, as a crash at their last commit would leave it. */
export function writeJournal(directory: string, { task, run, steps, waits, format, loopVersion }: RecordedJournal): void {
  const db = SqliteDatabase.open(join(directory, "longhaul.db"));
  try {
    migrate(db, dataMigrations);
    db.exec("BEGIN");
    const { createdAtMs, ...fields } = task;
    const stored = insertTask(db, fields, createdAtMs, null);
    saveTask(db, stored, { ...stored, runId: run.id, startedAtMs: run.startedAtMs });
    insertRun(db, { id: run.id, taskId: task.id, agentVersion: "recorded", loopVersion, startedAtMs: run.startedAtMs });
    if (format !== journalFormat) db.run("UPDATE lh_run SET format = ?", format);
    const serial = getRun(db, run.id)?.serial ?? 0;
    for (const step of steps) appendStep(db, serial, step);
    for (const wait of waits) insertWait(db, { ...wait, run: serial });
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}

/** As a page: one line for what belongs together. */
export function toText({ steps, waits, ...rest }: RecordedJournal): string {
  const lines = Object.entries(rest).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const list = (name: string, items: readonly unknown[]): string => `  ${JSON.stringify(name)}: [${items.map((item) => `\n    ${JSON.stringify(item)}`).join(",")}${items.length === 0 ? "" : "\n  "}]`;
  return `{\n${[...lines, list("steps", steps), list("waits", waits)].join(",\n")}\n}\n`;
}
