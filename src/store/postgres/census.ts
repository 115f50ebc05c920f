import { createHash } from "node:crypto";
import type { PostgresSession } from "../../db/postgres.ts";
import type { RecordCensus } from "../store.ts";

const lump = 1_000;

const selectLump = `SELECT position, json_build_array(id, timestamp, team, agent_id, agent_version, task_id, run_id, step, attempt, event_type, tool_name, tool_args, result,
    duration_ms, tokens_used, cost_micro_usd, reason, simulated, data)::text AS line
  FROM lh_record WHERE position > $1 ORDER BY position LIMIT ${lump}`;
const selectCounts = `SELECT what, count(*) AS n FROM (SELECT event_type || ' ' || split_part(coalesce(result, ''), '(', 1) AS what FROM lh_record) AS named
  GROUP BY what ORDER BY what COLLATE "C"`;

/** Counts and hashes every record, as of one instant. */
export async function takeCensus(tx: PostgresSession): Promise<RecordCensus> {
  const hash = createHash("sha256");
  let records = 0;
  for (let position = 0, isWhole = true; isWhole; ) {
    const rows = await tx.all(selectLump, position);
    for (const row of rows) hash.update(`${String(row["line"])}\n`);
    records += rows.length;
    position = Number(rows.at(-1)?.["position"]);
    isWhole = rows.length === lump;
  }
  const counts = Object.fromEntries((await tx.all(selectCounts)).map((row) => [String(row["what"]).trimEnd(), Number(row["n"])]));
  return { records, counts, hash: hash.digest("hex").slice(0, 32) };
}
