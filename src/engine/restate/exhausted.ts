import type { PostgresSession } from "../../db/postgres.ts";
import type { Change } from "./change.ts";

/*
 * A worker that ran out of memory leaves a report beside itself, which the next one reads that starts there. Others may have gone on with its tasks by then: so each attempt names its
 * worker (lh_task.claim), and a crash that is counted leaves the name behind (lh_request) until it is known what the worker died of.
 */

/** Names a call by which an attempt begins, and the worker that answers it. */
export function callOf(worker: string, id: string): string {
  return `${id} ${worker}`;
}

/** The worker of a call; empty where it is not known. */
const workerOfClaim = "substr(claim, 1 + nullif(strpos(claim, ' '), 0))";

const crashWith = (worker: string): string => `crash with ${worker}`;

/** Notes whose crash was counted of this task. */
export async function noteCrash(db: PostgresSession, taskId: string, claim: string | null): Promise<void> {
  const at = claim?.indexOf(" ") ?? -1;
  if (claim === null || at === -1) return;
  await db.run("INSERT INTO lh_request (task_id, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", taskId, crashWith(claim.slice(at + 1)));
}

// A task that nobody has begun again since has its crash counted when that is done; one that has come further since proved harmless. A call that is named nowhere is not counted twice.
const isInterrupted = `status = 'running' AND attempt > 0 AND NOT suspended AND ${workerOfClaim} = ANY ($1)`;
const mayBeHit = "ended_at_ms IS NULL AND out_of_memory_without_progress < recoveries_without_progress";
/** One that is begun again meanwhile is locked all the same: its crash is noted then. */
const lockConcerned = `SELECT serial FROM lh_task WHERE serial = ANY (ARRAY (SELECT serial FROM lh_task WHERE ${isInterrupted}
    UNION SELECT serial FROM lh_request JOIN lh_task ON lh_task.id = task_id WHERE lh_request.id = ANY ($2))) ORDER BY serial FOR UPDATE`;
const count = "UPDATE lh_task SET out_of_memory_without_progress = out_of_memory_without_progress + 1";

/** Counts of the tasks that these workers had, that they ran out of memory. Each is counted once, however often it is told. */
export async function countExhausted({ db }: Change, workers: readonly string[]): Promise<void> {
  const crashes = workers.map(crashWith);
  await db.run(lockConcerned, workers, crashes);
  await db.run(`${count}, claim = NULL WHERE ${isInterrupted}`, workers);
  const noted = await db.all("DELETE FROM lh_request WHERE id = ANY ($1) RETURNING task_id", crashes);
  await db.run(`${count} WHERE id = ANY ($1) AND ${mayBeHit}`, noted.map((row) => String(row["task_id"])));
}
