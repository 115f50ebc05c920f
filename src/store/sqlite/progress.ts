import type { SqliteDatabase, Values } from "../../db/sqlite.ts";
import type { Write } from "../../record/write.ts";
import type { AgentProgress } from "../store.ts";

type ProgressWrite = Extract<Write, { readonly type: "progress" }>;

// Both decide whether it counts, by what the counter was: to be told by the first, with RETURNING, costs more than to ask again.
// An output that equals the agent's last one is no progress: an agent that repeats itself is hollow, however valid each answer is.
const insertMark = `INSERT INTO lh_progress_mark (id, agent, at_ms, what, counted)
  VALUES (?1, ?2, ?3, ?4, ?5 IS NULL OR ?5 IS NOT (SELECT last_output_hash FROM lh_progress WHERE agent = ?2))
  ON CONFLICT (id) DO NOTHING`;
const moveCounter = `INSERT INTO lh_progress (agent, count, last_at_ms, last_output_hash, last_id) VALUES (?, 1, ?, ?, ?)
  ON CONFLICT (agent) DO UPDATE SET
    count = count + 1,
    last_at_ms = max(last_at_ms, excluded.last_at_ms),
    last_output_hash = coalesce(excluded.last_output_hash, last_output_hash),
    last_id = excluded.last_id
  WHERE excluded.last_output_hash IS NULL OR excluded.last_output_hash IS NOT last_output_hash`;
const selectAll = "SELECT agent, count, last_at_ms, last_output_hash, last_id FROM lh_progress ORDER BY agent";

/** Moves the agent's counter by one, once per id and not for the same output twice in a row. */
export function recordProgress(db: SqliteDatabase, { id, agent, atMs, what, outputHash }: ProgressWrite): void {
  if (db.run(insertMark, id, agent, atMs, what, outputHash).changes === 1) db.run(moveCounter, agent, atMs, outputHash, id);
}

export function allProgress(db: SqliteDatabase): readonly AgentProgress[] {
  return db.allValues(selectAll).map(toProgress);
}

function toProgress([agent, count, lastAtMs, lastOutputHash, lastId]: Values): AgentProgress {
  return { agent: String(agent), count: Number(count), lastAtMs: lastAtMs as number | null, lastOutputHash: lastOutputHash as string | null, lastId: lastId as string | null };
}
