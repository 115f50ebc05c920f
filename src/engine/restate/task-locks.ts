import type { PostgresRow, PostgresSession } from "../../db/postgres.ts";
import type { Change } from "./change.ts";

/*
 * The one order in which transactions lock tasks is that of their serials (docs/decisions/2026-11-26-lock-order.md). Who ends a task locks beforehand all that its end touches: those that it
 * called, which are canceled with it, and those that wait for any of these, which are told. Whoever comes to know of a task too late to lock it in that order does not wait for it.
 */

// Each step is a look into an index by OFFSET 0 and ARRAY: the planner takes a recursion for large, and would read whole tables.
const touchedBy = `WITH RECURSIVE ending (serial, id, run_id) AS (
    SELECT serial, id, run_id FROM lh_task WHERE id = ANY ($1)
    UNION SELECT called.serial, called.id, called.run_id
      FROM ending CROSS JOIN LATERAL (SELECT serial, id, run_id FROM lh_task WHERE parent_run_id = ending.run_id AND ended_at_ms IS NULL OFFSET 0) AS called),
  touched (serial) AS (
    SELECT serial FROM ending
    UNION SELECT waiting.serial FROM ending CROSS JOIN LATERAL (SELECT run FROM lh_wait WHERE child_task_id = ending.id OFFSET 0) AS wait
      CROSS JOIN LATERAL (SELECT lh_task.serial FROM lh_run JOIN lh_task ON lh_task.id = lh_run.task_id AND lh_task.run_id = lh_run.id WHERE lh_run.serial = wait.run OFFSET 0) AS waiting)`;
const listTouched = `${touchedBy} SELECT serial FROM touched`;
const lockTouched = `${touchedBy} SELECT serial FROM lh_task WHERE serial = ANY (ARRAY (SELECT serial FROM touched)) ORDER BY serial FOR UPDATE`;
const lockSerials = "SELECT serial FROM lh_task WHERE serial = ANY ($1) ORDER BY serial FOR UPDATE";
const lockSerialsNow = `${lockSerials} NOWAIT`;

/** Locks what the ends of these tasks touch. The first lock on tasks of its transaction. */
export async function lockForEnds(change: Change, taskIds: readonly string[]): Promise<void> {
  for (const serial of serialsOf(await change.db.all(lockTouched, taskIds))) change.locked.add(serial);
}

/**
 * Locks what the end of a task touches that is locked, and does not wait when another transaction has something that comes earlier in the order: that is rolled back and begun again.
 * Nobody calls or waits for what is locked, so that it comes to an end.
 */
export async function lockTouchedByEnd(change: Change, task: { readonly id: string; readonly serial: number }): Promise<void> {
  const { db, locked } = change;
  locked.add(task.serial);
  for (;;) {
    const missing = serialsOf(await db.all(listTouched, [task.id])).filter((serial) => !locked.has(serial));
    if (missing.length === 0) return;
    const last = Math.max(...locked);
    const [early, inOrder] = [missing.filter((serial) => serial < last), missing.filter((serial) => serial > last)];
    if (early.length > 0) await db.run(lockSerialsNow, early);
    if (inOrder.length > 0) await db.run(lockSerials, inOrder);
    for (const serial of missing) locked.add(serial);
  }
}

/** Locks a task that may come earlier than what the transaction has. When another one has it, all is rolled back and begun again. */
export async function lockTaskNow(db: PostgresSession, taskId: string): Promise<void> {
  await db.get("SELECT 1 AS one FROM lh_task WHERE id = $1 FOR UPDATE NOWAIT", taskId);
}

/** Locks the tasks that have these runs, by lh_run.serial. The first lock on tasks of its transaction. */
export async function lockTasksOfRuns(db: PostgresSession, runs: readonly number[]): Promise<void> {
  await db.run(
    "SELECT 1 FROM lh_task WHERE serial = ANY (ARRAY (SELECT task.serial FROM lh_run JOIN lh_task AS task ON task.id = lh_run.task_id AND task.run_id = lh_run.id WHERE lh_run.serial = ANY ($1))) ORDER BY serial FOR UPDATE",
    runs,
  );
}

function serialsOf(rows: readonly PostgresRow[]): readonly number[] {
  return rows.map((row) => Number(row["serial"]));
}
