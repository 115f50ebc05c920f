import { LonghaulError } from "../../base/error.ts";
import type { Write } from "../../record/write.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";

type KeyClaim = Extract<Write, { readonly type: "key.claim" }>;

// The holder keeps the key by claiming it again; anybody else gets it once it has expired.
const claim = `INSERT INTO lh_key (key, task_id, expires_at_ms) VALUES (?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET
    expires_at_ms = CASE WHEN task_id = excluded.task_id THEN max(expires_at_ms, excluded.expires_at_ms) ELSE excluded.expires_at_ms END,
    task_id = excluded.task_id
  WHERE task_id = excluded.task_id OR expires_at_ms <= ?`;
const selectHolder = "SELECT task_id FROM lh_key WHERE key = ?";

export function findKeyOf(db: SqliteDatabase, taskId: string): string | null {
  const key = db.get("SELECT key FROM lh_key WHERE task_id = ? LIMIT 1", taskId)?.["key"];
  return typeof key === "string" ? key : null;
}

/** @throws {TASK_KEY_TAKEN} when another task holds the key at `claim.atMs`. */
export function claimKey(db: SqliteDatabase, { key, taskId, atMs, expiresAtMs }: KeyClaim): void {
  if (db.run(claim, key, taskId, expiresAtMs, atMs).changes === 1) return;
  const holder = String(db.get(selectHolder, key)?.["task_id"]);
  throw new LonghaulError("TASK_KEY_TAKEN", `The idempotency key ${JSON.stringify(key)} belongs to task ${holder}. Use that task, or another key for other work.`, {
    details: { taskId: holder },
  });
}
