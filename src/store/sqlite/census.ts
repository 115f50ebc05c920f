import { createHash } from "node:crypto";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { RecordCensus } from "../store.ts";

/** Hashed in lumps: one row of the result for each record would cost more than the hash. */
const lump = 1_000;

const selectLump = `SELECT max(position) AS last, count(*) AS n, CAST(group_concat(line, char(10)) AS BLOB) AS lines FROM (
    SELECT position, json_array(id, timestamp, team, agent_id, agent_version, task_id, run_id, step, attempt, event_type, tool_name, tool_args, result,
      duration_ms, tokens_used, cost_micro_usd, reason, simulated, data) AS line
    FROM lh_record WHERE position > ? ORDER BY position LIMIT ${lump})`;
const selectCounts = `SELECT event_type || ' ' || substr(coalesce(result, ''), 1, instr(coalesce(result, '') || '(', '(') - 1) AS what, count(*) AS n
  FROM lh_record GROUP BY what ORDER BY what`;

/** Counts and hashes every record. */
export function takeCensus(db: SqliteDatabase): RecordCensus {
  const hash = createHash("sha256");
  let records = 0;
  for (let position = 0, isWhole = true; isWhole; ) {
    const row = db.get(selectLump, position);
    const n = Number(row?.["n"]);
    if (n > 0) hash.update(row?.["lines"] as Uint8Array).update("\n");
    records += n;
    position = Number(row?.["last"]);
    isWhole = n === lump;
  }
  const counts = Object.fromEntries(db.all(selectCounts).map((row) => [String(row["what"]).trimEnd(), Number(row["n"])]));
  return { records, counts, hash: hash.digest("hex").slice(0, 32) };
}
