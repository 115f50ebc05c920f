import { LonghaulError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/postgres-payload.ts";
import { toIndexedText } from "../../db/postgres-text.ts";
import type { PostgresSession } from "../../db/postgres.ts";
import type { EffectLedger, EffectState } from "../store.ts";

type Intent = Parameters<EffectLedger["intend"]>[0];

const insertIntent = `INSERT INTO lh_effect (key, state, tool_name, task_id, run_id, intended_at_ms, token) VALUES ($1, 'intended', $2, $3, $4, $5, $6)
  ON CONFLICT (key) DO NOTHING`;
// The lock keeps it from being withdrawn between the two statements.
const selectEffect = "SELECT state, intended_at_ms, token, result FROM lh_effect WHERE key = $1 FOR UPDATE";
// The first result stays: a late second one belongs to an attempt that was superseded.
const complete = `INSERT INTO lh_effect AS known (key, state, result) VALUES ($1, 'completed', $2)
  ON CONFLICT (key) DO UPDATE SET state = 'completed', result = excluded.result WHERE known.state = 'intended'`;
const takeOver = "UPDATE lh_effect SET token = $2 WHERE key = $1 AND state = 'intended'";
const deleteIntent = "DELETE FROM lh_effect WHERE key = $1 AND state = 'intended'";

/**
 * Makes the intent if nobody has (S4), or tells what is known of the earlier one, which is this attempt's from then on. `call` is of this call alone: an intent that bears it was
 * made by this call. @throws {ENGINE_FENCED} when a later attempt has it.
 */
export async function intendEffect(tx: PostgresSession, { key, fence, toolName, taskId, runId, atMs }: Intent, call: string): Promise<EffectState> {
  const token = `${fence}/${call}`;
  for (;;) {
    if ((await tx.run(insertIntent, toIndexedText(key), toolName, taskId, runId, atMs, token)).changes === 1) return { state: "intended-now" };
    const row = await tx.get(selectEffect, toIndexedText(key));
    // It was withdrawn just now: this call's turn comes.
    if (row === undefined) continue;
    if (row["token"] === token && row["state"] === "intended") return { state: "intended-now" };
    if (row["state"] === "completed") {
      const [result = null] = await loadJson(tx, [String(row["result"])]);
      return { state: "completed", result };
    }
    const heldBy = Number(String(row["token"]).split("/")[0]);
    if (heldBy > fence) throw new LonghaulError("ENGINE_FENCED", `A later attempt has call ${key}: this one is superseded and does nothing more.`, { details: { key, fence, heldBy } });
    await tx.run(takeOver, toIndexedText(key), token);
    return { state: "unknown", intendedAtMs: Number(row["intended_at_ms"]) };
  }
}

export async function isIntended(db: PostgresSession, key: string): Promise<boolean> {
  return (await db.get("SELECT 1 AS one FROM lh_effect WHERE key = $1", toIndexedText(key))) !== undefined;
}

export async function completeEffect(tx: PostgresSession, key: string, result: Json): Promise<void> {
  const [text = "null"] = await storeJson(tx, [JSON.stringify(result)]);
  await tx.run(complete, toIndexedText(key), text);
}

/** Removes an intent. A completed effect stays what it is. */
export async function withdrawEffect(tx: PostgresSession, key: string): Promise<void> {
  await tx.run(deleteIntent, toIndexedText(key));
}
