import type { PostgresSession } from "../../db/postgres.ts";
import type { DueQuery, DueTask, EngineRetention } from "../engine.ts";
import type { Change } from "./change.ts";
import type { Writer } from "./writer.ts";

/** Loose: one look into the index for each name, not one for each task. */
const selectAgents = `WITH RECURSIVE named (agent) AS (
    (SELECT agent FROM lh_task ORDER BY agent LIMIT 1)
    UNION ALL SELECT (SELECT agent FROM lh_task WHERE lh_task.agent > named.agent ORDER BY agent LIMIT 1) FROM named WHERE named.agent IS NOT NULL
  ) SELECT agent FROM named WHERE agent IS NOT NULL`;

/** The oldest of those that stay listed. None, when there are fewer. */
const ofStatus = (status: string): string => `(SELECT created_at_ms, serial FROM lh_task WHERE agent = $1 AND status = '${status}' ORDER BY created_at_ms DESC, serial DESC LIMIT $2::int)`;
const selectListed = `SELECT created_at_ms, serial FROM (${ofStatus("done")} UNION ALL ${ofStatus("dead")}) AS ended ORDER BY created_at_ms DESC, serial DESC LIMIT 1 OFFSET $2::int - 1`;

// An end is never before the creation, so the index bounds what is looked at. A run that is being undone, or whose undoing may be tried again, is needed for that.
const selectDue = `SELECT id, ended_at_ms, (created_at_ms, serial) < ($4, $5) AS is_whole FROM lh_task AS task
  WHERE agent = $1 AND status = $2 AND created_at_ms <= $3 AND ended_at_ms <= $3
    AND ((created_at_ms, serial) < ($4, $5) OR EXISTS (SELECT FROM lh_run WHERE lh_run.task_id = task.id AND (EXISTS (SELECT FROM lh_told WHERE run = lh_run.serial) OR EXISTS (SELECT FROM lh_journal WHERE run = lh_run.serial))))
    AND NOT EXISTS (SELECT FROM lh_run JOIN lh_task AS caller ON caller.id = lh_run.task_id WHERE lh_run.id = task.parent_run_id AND caller.ended_at_ms IS NULL)
    AND NOT EXISTS (SELECT FROM lh_run JOIN lh_task AS undoing ON undoing.id = 'c_' || lh_run.id WHERE lh_run.task_id = task.id
      AND (undoing.ended_at_ms IS NULL OR undoing.ended_at_ms > CASE undoing.status WHEN 'done' THEN $6::bigint ELSE $7::bigint END))
    AND (status = 'done' OR left(id, 2) <> 'c_' OR NOT EXISTS (SELECT FROM lh_run WHERE lh_run.id = substr(task.id, 3)))
  ORDER BY created_at_ms LIMIT $8`;

export function createRetention(writer: Writer): EngineRetention {
  return {
    agents: () => writer.read(listEndedAgents),
    due: (query) => writer.read((db) => listDueTasks(db, query)),
    forget: (tasks, rowsMax) => writer.write((change) => forgetTasks(change, tasks, rowsMax)),
  };
}

async function listEndedAgents(db: PostgresSession): Promise<readonly string[]> {
  return (await db.all(selectAgents)).map((row) => String(row["agent"]));
}

async function listDueTasks(db: PostgresSession, { agent, endedBeforeMs, deadBeforeMs, listed, limit }: DueQuery): Promise<readonly DueTask[]> {
  const oldest = await db.get(selectListed, agent, listed);
  const from = [Number(oldest?.["created_at_ms"] ?? 0), Number(oldest?.["serial"] ?? 0)] as const;
  const due: DueTask[] = [];
  for (const status of ["canceled", "done", "dead"]) {
    const beforeMs = status === "dead" ? deadBeforeMs : endedBeforeMs;
    // Nobody looks at a canceled task again.
    const listedFrom = status === "canceled" ? [Number.MAX_SAFE_INTEGER, 0] as const : from;
    const rows = due.length >= limit ? [] : await db.all(selectDue, agent, status, beforeMs, ...listedFrom, endedBeforeMs, deadBeforeMs, limit - due.length);
    due.push(...rows.map((row) => ({ id: String(row["id"]), endedAtMs: Number(row["ended_at_ms"]), isWhole: row["is_whole"] === true })));
  }
  return due;
}

// The last steps go first: what is left of a journal meanwhile is the beginning of one. What code was told goes before the rows that it names.
const deleteSteps = [
  "DELETE FROM lh_told WHERE run = $1 AND first IN (SELECT first FROM lh_told WHERE run = $1 ORDER BY first DESC LIMIT $2)",
  "DELETE FROM lh_journal WHERE position IN (SELECT position FROM lh_journal WHERE run = $1 ORDER BY position DESC LIMIT $2)",
];

/** Forgets these tasks until so many rows are gone. Returns how many went. */
async function forgetTasks(change: Change, tasks: readonly DueTask[], rowsMax: number): Promise<number> {
  let rows = 0;
  for (const task of tasks) {
    if (rows >= rowsMax) break;
    rows += await forgetTask(change, task, rowsMax - rows);
  }
  return rows;
}

async function forgetTask(change: Change, { id, endedAtMs, isWhole }: DueTask, rowsMax: number): Promise<number> {
  const { db } = change;
  // Locked: a person may have it begun again at this moment. Then it is looked at another time.
  if ((await db.get("SELECT 1 AS one FROM lh_task WHERE id = $1 AND ended_at_ms = $2 FOR UPDATE SKIP LOCKED", id, endedAtMs)) === undefined) return 0;
  const runs = (await db.all("SELECT serial, id FROM lh_run WHERE task_id = $1", id)).map((row) => ({ serial: Number(row["serial"]), id: String(row["id"]) }));
  let rows = 0;
  for (const { serial } of runs) for (const sql of deleteSteps) if (rows < rowsMax) rows += (await db.run(sql, serial, rowsMax - rows)).changes;
  if (rows >= rowsMax) return rows;
  for (const table of ["lh_seed", "lh_request"]) rows += (await db.run(`DELETE FROM ${table} WHERE task_id = $1`, id)).changes;
  await change.write([{ type: "task.forgotten", taskId: id, runIds: runs.map((run) => run.id), isWhole }]);
  if (!isWhole) return rows;
  rows += (await db.run("DELETE FROM lh_run WHERE task_id = $1", id)).changes;
  return rows + (await db.run("DELETE FROM lh_task WHERE id = $1", id)).changes;
}

/** The columns of the engine's tables that may refer to payloads. */
export const enginePayloadColumns = { lh_task: ["input", "ended_as"], lh_told: ["steps"], lh_journal: ["outcome"], lh_signal: ["payload"], lh_seed: ["outcome"] } as const;
