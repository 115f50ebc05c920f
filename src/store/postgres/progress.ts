import type { PostgresSession } from "../../db/postgres.ts";
import type { Write } from "../../record/write.ts";
import type { AgentProgress } from "../store.ts";

type ProgressWrite = Extract<Write, { readonly type: "progress" }>;

// Locks the agent's row, which it makes if need be, until the commit: what the last output was is then known. A counter that never moved is not shown.
const lockCounter = `INSERT INTO lh_progress AS counter (agent, count) VALUES ($1, 0)
  ON CONFLICT (agent) DO UPDATE SET count = counter.count RETURNING last_output_hash`;
const insertMark = "INSERT INTO lh_progress_mark (id, agent, at_ms, what, counted) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
const moveCounter = `UPDATE lh_progress SET count = count + 1, last_at_ms = greatest(last_at_ms, $2), last_output_hash = coalesce($3, last_output_hash), last_id = $4
  WHERE agent = $1`;
const selectAll = `SELECT agent, count, last_at_ms, last_output_hash, last_id FROM lh_progress WHERE count > 0 ORDER BY agent COLLATE "C"`;

/**
 * Moves the agent's counter by one, once per id and not for the same output twice in a row: an output that equals the agent's last one is no progress,
 * since an agent that repeats itself is hollow, however valid each answer is.
 */
export async function recordProgress(tx: PostgresSession, { id, agent, atMs, what, outputHash }: ProgressWrite): Promise<void> {
  const lastOutputHash = (await tx.get(lockCounter, agent))?.["last_output_hash"];
  const isCounted = outputHash === null || outputHash !== lastOutputHash;
  const { changes } = await tx.run(insertMark, id, agent, atMs, what, isCounted);
  if (changes === 1 && isCounted) await tx.run(moveCounter, agent, atMs, outputHash, id);
}

export async function allProgress(session: PostgresSession): Promise<readonly AgentProgress[]> {
  return (await session.all(selectAll)).map((row) => ({
    agent: String(row["agent"]),
    count: Number(row["count"]),
    lastAtMs: row["last_at_ms"] as number | null,
    lastOutputHash: row["last_output_hash"] as string | null,
    lastId: row["last_id"] as string | null,
  }));
}
