import type { PostgresSession } from "../../db/postgres.ts";
import type { Task, TaskEnd } from "../../record/task.ts";
import { compensationFor, compensationIdOf, compensationRunIdOf, isCompensation, isToBeCompensated, refuseRestart, type InTheWay } from "../compensation.ts";
import { keyOf } from "../journaled-step.ts";
import { isOpen } from "../task-rules.ts";
import { noteQueued, type Change } from "./change.ts";
import { addSeed, listSteps, readJournal } from "./journal.ts";
import { insertRunFrom, serialOf } from "./runs.ts";
import { getTask, insertTasks, saveTasks, toTask, type StoredTask } from "./tasks.ts";

/** Begins the task that undoes what the run of a task did that is ending, when it registered anything to be undone. Whatever the length of its queue: the run was let in. */
export async function startCompensation(change: Change, task: StoredTask, end: TaskEnd, wasRunning: boolean): Promise<void> {
  const { db } = change;
  if (!isToBeCompensated(task, end) || !(await hasRegistered(db, task.id, task.runId))) return;
  const [inserted] = await insertTasks(db, [{ task: compensationFor(task, end, wasRunning, change.atMs, change.limits), parentRunId: null, queueMax: null }], change.atMs);
  if (inserted === undefined) return;
  const stored: StoredTask = { ...inserted, runId: compensationRunIdOf(task.runId) };
  await insertRunFrom(db, { id: compensationRunIdOf(task.runId), taskId: stored.id }, task.runId, { begunAtMs: null, keysOf: task.runId });
  await saveTasks(db, [stored]);
  await addSeed(db, stored.id, await readJournal(db, await serialOf(db, task.runId)));
  await db.run(`${insertSeed} FROM lh_seed WHERE task_id = $2 ORDER BY position ON CONFLICT DO NOTHING`, stored.id, task.id);
  noteQueued(change, stored);
  await change.write(change.observe({ task: toTask(stored), from: null, atMs: change.atMs }));
}

/** Nothing of a run acts any more in the process that executed it: what undoes the run need not wait. */
export async function noteStopped(change: Change, runId: string): Promise<void> {
  const { db, atMs } = change;
  const { changes } = await db.run("UPDATE lh_task SET not_before_at_ms = $1 WHERE id = $2 AND status = 'queued' AND not_before_at_ms > $1", atMs, compensationIdOf(runId));
  const compensation = changes === 0 ? null : await getTask(db, compensationIdOf(runId));
  if (compensation !== null) noteQueued(change, compensation);
}

/** Begins a new run of a compensation: it is served what the ended run came to, and what was undone stays so. */
export async function insertCompensationAgain(db: PostgresSession, taskId: string, runId: string, newRunId: string): Promise<void> {
  await insertRunFrom(db, { id: newRunId, taskId }, runId, { begunAtMs: null, keysOf: runId });
  const undone = new Set((await listSteps(db, runId)).flatMap((step) => (step.kind === "compensation" && step.outcome.ok ? [keyOf(step)] : [])));
  await addSeed(db, taskId, (await readJournal(db, await serialOf(db, runId))).filter((step) => undone.has(keyOf(step))));
}

/** @throws {TASK_STATE} while what the last run of this task did, or a run that it called, is not undone. */
export async function assertCompensated(db: PostgresSession, task: Task): Promise<void> {
  refuseRestart(task.id, task.runId === null || isCompensation(task) ? null : await inTheWay(db, task, task.runId));
}

async function inTheWay(db: PostgresSession, task: Task, runId: string): Promise<InTheWay | null> {
  if (isOpen(task) && (await hasRegistered(db, task.id, runId))) return { why: "registered" };
  const own = await getTask(db, compensationIdOf(runId));
  if (own !== null && own.status !== "done") return { why: isOpen(own) ? "undoing" : "left", compensationId: own.id };
  const called = await db.get(
    `WITH RECURSIVE called (run_id) AS (SELECT run_id FROM lh_task WHERE parent_run_id = $1 UNION SELECT lh_task.run_id FROM called JOIN lh_task ON parent_run_id = called.run_id)
     SELECT id, ended_at_ms IS NULL AS is_open FROM called JOIN lh_task ON id = 'c_' || called.run_id WHERE status <> 'done' ORDER BY is_open DESC, id LIMIT 1`,
    runId,
  );
  return called === undefined ? null : { why: called["is_open"] === true ? "undoing" : "left", compensationId: String(called["id"]) };
}

/** What a fork was served of another run is that one's to undo. What a skip has not been served yet is its own. */
async function hasRegistered(db: PostgresSession, taskId: string, runId: string): Promise<boolean> {
  const row = await db.get(
    `SELECT 1 AS one FROM lh_run WHERE id = $1 AND (EXISTS (SELECT FROM lh_journal WHERE run = lh_run.serial AND kind = 'compensate' AND (attempt > 0 OR key_run_id IS NOT NULL))
       OR (key_run_id IS NOT NULL AND EXISTS (SELECT FROM lh_seed WHERE task_id = $2 AND kind = 'compensate')))`,
    runId, taskId,
  );
  return row !== undefined;
}

const insertSeed = "INSERT INTO lh_seed (task_id, kind, name, occurrence, started_at_ms, completed_at_ms, outcome) SELECT $1, kind, name, occurrence, started_at_ms, completed_at_ms, outcome";
