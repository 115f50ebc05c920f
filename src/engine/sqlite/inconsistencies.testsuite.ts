import type { SqliteDatabase } from "../../db/sqlite.ts";

/** Waits, signals and completed steps with the ids of their runs. */
const waits = "(SELECT lh_run.id AS run_id, lh_wait.* FROM lh_wait LEFT JOIN lh_run ON lh_run.serial = lh_wait.run)";
const signals = "(SELECT lh_run.id AS run_id, lh_signal.* FROM lh_signal LEFT JOIN lh_run ON lh_run.serial = lh_signal.run)";

/** What must hold of the engine's tables in every file at every commit. Each query finds what breaks it. */
const inconsistencies: Readonly<Record<string, string>> = {
  "a run belongs to no task": "SELECT id FROM lh_run WHERE task_id NOT IN (SELECT id FROM lh_task)",
  "a task executes without a run": "SELECT id FROM lh_task WHERE status IN ('running', 'waiting') AND (run_id IS NULL OR run_id NOT IN (SELECT id FROM lh_run))",
  "a task's end and its status disagree": "SELECT id FROM lh_task WHERE (status IN ('done', 'dead', 'canceled')) <> (end IS NOT NULL) OR (end IS NULL) <> (ended_at_ms IS NULL)",
  "a task goes on whose caller has ended": `SELECT child.id FROM lh_task AS child JOIN lh_run ON lh_run.id = child.parent_run_id JOIN lh_task AS parent ON parent.id = lh_run.task_id
    WHERE child.ended_at_ms IS NULL AND parent.ended_at_ms IS NOT NULL`,
  "a task waits for nothing": `SELECT id FROM lh_task WHERE status = 'waiting' AND waiting_reason <> 'code-mismatch' AND NOT EXISTS (SELECT 1 FROM ${waits} WHERE run_id = lh_task.run_id)`,
  "a run waits for a task that has ended": "SELECT run, child_task_id FROM lh_wait JOIN lh_task ON lh_task.id = child_task_id WHERE lh_task.ended_at_ms IS NOT NULL",
  "a run waits for a task that does not exist": "SELECT run, child_task_id FROM lh_wait WHERE child_task_id NOT IN (SELECT id FROM lh_task)",
  "a run waits for a signal that it has": `SELECT wait.run_id, wait.signal FROM ${waits} AS wait JOIN ${signals} AS signal ON signal.run = wait.run AND signal.name = wait.signal WHERE consumed = 0`,
  "a wait belongs to no unfinished run": `SELECT run_id, name FROM ${waits} AS wait WHERE NOT EXISTS (SELECT 1 FROM lh_task WHERE lh_task.run_id = wait.run_id AND ended_at_ms IS NULL)`,
  "a signal belongs to no unfinished run": `SELECT run_id, name FROM ${signals} AS signal WHERE NOT EXISTS (SELECT 1 FROM lh_task WHERE lh_task.run_id = signal.run_id AND ended_at_ms IS NULL)`,
  "a step belongs to no run": "SELECT run, name FROM lh_journal WHERE run NOT IN (SELECT serial FROM lh_run)",
  "a step is both completed and awaited": "SELECT run, kind, name, occurrence FROM lh_wait JOIN lh_journal USING (run, kind, name, occurrence)",
  "two steps of a run have one number": "SELECT run, number FROM (SELECT run, number FROM lh_journal UNION ALL SELECT run, number FROM lh_wait) GROUP BY run, number HAVING count(*) > 1",
  "a task that has ended is to be served steps": "SELECT DISTINCT task_id FROM lh_seed JOIN lh_task ON lh_task.id = task_id WHERE ended_at_ms IS NOT NULL AND (task_id NOT LIKE 'c\\_%' ESCAPE '\\' OR status = 'done')",
};

/** What is wrong with the engine's tables, and with others that the caller knows more of. */
export function findInconsistencies(db: SqliteDatabase, more: Readonly<Record<string, string>> = {}): readonly string[] {
  return Object.entries({ ...inconsistencies, ...more }).flatMap(([what, query]) => {
    const rows = db.all(query);
    return rows.length === 0 ? [] : [`${what}: ${JSON.stringify(rows.slice(0, 3))}`];
  });
}
