import { assert } from "../../base/assert.ts";
import type { Row, SqliteDatabase } from "../../db/sqlite.ts";
import type { Notification } from "../../record/notification.ts";
import type { Write } from "../../record/write.ts";
import type { OutboxItem } from "../operator-reading.ts";
import { type Outbox, outboxDueMax, type OutboxEntry } from "../store.ts";

type OutboxWrite = Extract<Write, { readonly type: "outbox" }>;
type FailedAttempt = Parameters<Outbox["failed"]>[1];

const listMax = 1_000;

const insertEntry = `INSERT INTO lh_outbox (id, notifier, notification, at_ms, expires_at_ms, state, next_at_ms) VALUES (?, ?, ?, ?, ?, 'waiting', ?)
  ON CONFLICT (id) DO NOTHING`;
const selectDue = `SELECT * FROM lh_outbox WHERE state = 'waiting' AND (expires_at_ms <= ?1 OR (next_at_ms <= ?1
  AND position IN (SELECT min(position) FROM lh_outbox WHERE state = 'waiting' AND expires_at_ms > ?1 GROUP BY notifier))) ORDER BY position LIMIT ${outboxDueMax}`;
const selectNextAt = `SELECT min(at_ms) AS next_at_ms FROM (SELECT min(expires_at_ms) AS at_ms FROM lh_outbox WHERE state = 'waiting'
  UNION ALL SELECT next_at_ms FROM lh_outbox WHERE position IN (SELECT min(position) FROM lh_outbox WHERE state = 'waiting' GROUP BY notifier)) AS instants`;
const markDelivered = "UPDATE lh_outbox SET state = 'delivered', attempts = attempts + 1, ended_at_ms = ?2, last_error = NULL WHERE id = ?1 AND state <> 'delivered'";
const markRetried = "UPDATE lh_outbox SET attempts = attempts + 1, next_at_ms = ?2, last_error = ?3 WHERE id = ?1 AND state = 'waiting'";
const markFailed = "UPDATE lh_outbox SET state = 'failed', attempts = attempts + 1, ended_at_ms = ?2, last_error = ?3 WHERE id = ?1 AND state = 'waiting'";
const selectKnown = "SELECT 1 FROM lh_outbox WHERE id = ?";
const selectNewest = `SELECT * FROM (SELECT * FROM lh_outbox ORDER BY position DESC LIMIT ${listMax}) ORDER BY position`;

export function queueNotification(db: SqliteDatabase, { id, notifier, message, atMs, expiresAtMs }: OutboxWrite): void {
  db.run(insertEntry, id, notifier, JSON.stringify(message), atMs, expiresAtMs, atMs);
}

/** The first of each notifier, when it is due. An expired one is among them whatever its place, so that it is failed and not forgotten. */
export function selectDueEntries(db: SqliteDatabase, nowMs: number): readonly OutboxEntry[] {
  return db.all(selectDue, nowMs).map(toEntry);
}

export function selectNextOutboxAtMs(db: SqliteDatabase): number | null {
  return db.get(selectNextAt)?.["next_at_ms"] as number | null;
}

/** A delivery is a fact: it also closes an entry that had been given up. */
export function markEntryDelivered(db: SqliteDatabase, id: string, atMs: number): void {
  assertKnown(db, id);
  db.run(markDelivered, id, atMs);
}

export function markEntryFailed(db: SqliteDatabase, id: string, { atMs, error, nextAtMs }: FailedAttempt): void {
  assertKnown(db, id);
  if (nextAtMs === null) db.run(markFailed, id, atMs, error);
  else db.run(markRetried, id, nextAtMs, error);
}

/** The last 1,000 entries in every state, oldest first. */
export function listOutbox(db: SqliteDatabase): readonly OutboxItem[] {
  return db.all(selectNewest).map((row) => ({
    ...toEntry(row),
    state: row["state"] as OutboxItem["state"],
    queuedAtMs: Number(row["at_ms"]),
    endedAtMs: row["ended_at_ms"] as number | null,
    lastError: row["last_error"] as string | null,
  }));
}

function assertKnown(db: SqliteDatabase, id: string): void {
  assert(db.get(selectKnown, id), `the outbox has no entry ${id}`);
}

function toEntry(row: Row): OutboxEntry {
  return {
    id: String(row["id"]),
    notifier: String(row["notifier"]),
    notification: JSON.parse(String(row["notification"])) as Notification,
    attempts: Number(row["attempts"]),
    nextAtMs: Number(row["next_at_ms"]),
    expiresAtMs: Number(row["expires_at_ms"]),
  };
}
