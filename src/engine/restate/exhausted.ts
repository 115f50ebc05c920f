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
const mayBeHit = `ended_at_ms IS NULL AND out_of_memory_without_progress < recoveries_without_progress`;
const lockInterrupted = `SELECT serial FROM lh_task WHERE status = 'running' AND attempt > 0 AND NOT suspended AND ${workerOfClaim} = ANY ($1) ORDER BY serial FOR UPDATE`;
const lockGoneOn = `SELECT serial FROM lh_task WHERE id = ANY ($1) AND ${mayBeHit} ORDER BY serial FOR UPDATE`;
const count = "UPDATE lh_task SET out_of_memory_without_progress = out_of_memory_without_progress + 1";

/** Counts of the tasks that these workers had, that they ran out of memory. Each is counted once, however often it is told. */
export async function countExhausted({ db }: Change, workers: readonly string[]): Promise<void> {
  const serialsOf = async (sql: string, of: readonly string[]): Promise<readonly number[]> => (await db.all(sql, of)).map((row) => Number(row["serial"]));
  const interrupted = await serialsOf(lockInterrupted, workers);
  await db.run(`${count}, claim = NULL WHERE serial = ANY ($1)`, interrupted);
  const noted = await db.all("DELETE FROM lh_request WHERE id = ANY ($1) RETURNING task_id", workers.map(crashWith));
  const goneOn = await serialsOf(lockGoneOn, noted.map((row) => String(row["task_id"])));
  await db.run(`${count} WHERE serial = ANY ($1)`, goneOn);
}
