import { LonghaulError } from "../../base/error.ts";
import type { PostgresSession } from "../../db/postgres.ts";
import { toIndexedText } from "../../db/postgres-text.ts";
import type { Write } from "../../record/write.ts";

type KeyClaim = Extract<Write, { readonly type: "key.claim" }>;

// The holder keeps the key by claiming it again; anybody else gets it once it has expired. Who comes at the same time waits for the first one's commit.
const claim = `INSERT INTO lh_key AS held (key, task_id, expires_at_ms) VALUES ($1, $2, $3)
  ON CONFLICT (key) DO UPDATE SET
    expires_at_ms = CASE WHEN held.task_id = excluded.task_id THEN greatest(held.expires_at_ms, excluded.expires_at_ms) ELSE excluded.expires_at_ms END,
    task_id = excluded.task_id
  WHERE held.task_id = excluded.task_id OR held.expires_at_ms <= $4`;
const selectHolder = "SELECT task_id FROM lh_key WHERE key = $1";

export async function findKeyOf(session: PostgresSession, taskId: string): Promise<string | null> {
  const key = (await session.get("SELECT key FROM lh_key WHERE task_id = $1 LIMIT 1", taskId))?.["key"];
  return typeof key === "string" ? key : null;
}

/** @throws {TASK_KEY_TAKEN} when another task holds the key at `claim.atMs`. */
export async function claimKey(tx: PostgresSession, { key, taskId, atMs, expiresAtMs }: KeyClaim): Promise<void> {
  if ((await tx.run(claim, toIndexedText(key), taskId, expiresAtMs, atMs)).changes === 1) return;
  const holder = String((await tx.get(selectHolder, toIndexedText(key)))?.["task_id"]);
  throw new LonghaulError("TASK_KEY_TAKEN", `The idempotency key ${JSON.stringify(key)} belongs to task ${holder}. Use that task, or another key for other work.`, {
    details: { taskId: holder },
  });
}
