import { assert } from "../../base/assert.ts";
import type { Listening } from "../../db/postgres-notices.ts";
import { withNotice } from "../../db/postgres-notify.ts";
import type { PostgresDatabase, PostgresRow, PostgresSession } from "../../db/postgres.ts";
import type { Notification } from "../../record/notification.ts";
import type { Write } from "../../record/write.ts";
import type { OutboxItem } from "../operator-reading.ts";
import { type Outbox, outboxDueMax, type OutboxEntry } from "../store.ts";

type OutboxWrite = Extract<Write, { readonly type: "outbox" }>;
type FailedAttempt = Parameters<Outbox["failed"]>[1];

const listMax = 1_000;
const outboxTopic = "outbox";

// By name: a kept statement would fail where a newer version adds a column while this one runs.
const columns = "position, id, notifier, notification, at_ms, expires_at_ms, state, attempts, next_at_ms, ended_at_ms, last_error";

const insertEntry = withNotice(
  "INSERT INTO lh_outbox (id, notifier, notification, at_ms, expires_at_ms, state, next_at_ms) VALUES ($1, $2, $3, $4, $5, 'waiting', $4) ON CONFLICT (id) DO NOTHING", outboxTopic, "queued",
);
const selectDue = `SELECT ${columns} FROM lh_outbox WHERE state = 'waiting' AND (expires_at_ms <= $1 OR (next_at_ms <= $1
  AND position IN (SELECT min(position) FROM lh_outbox WHERE state = 'waiting' AND expires_at_ms > $1 GROUP BY notifier))) ORDER BY position LIMIT ${outboxDueMax}`;
const selectNextAt = `SELECT min(at_ms) AS next_at_ms FROM (SELECT min(expires_at_ms) AS at_ms FROM lh_outbox WHERE state = 'waiting'
  UNION ALL SELECT next_at_ms FROM lh_outbox WHERE position IN (SELECT min(position) FROM lh_outbox WHERE state = 'waiting' GROUP BY notifier)) AS instants`;
const markDelivered = "UPDATE lh_outbox SET state = 'delivered', attempts = attempts + 1, ended_at_ms = $2, last_error = NULL WHERE id = $1 AND state <> 'delivered'";
const markRetried = `UPDATE lh_outbox SET attempts = attempts + 1, next_at_ms = $2, last_error = $3, failed_at_ms = $4
  WHERE id = $1 AND state = 'waiting' AND failed_at_ms IS DISTINCT FROM $4`;
const markFailed = "UPDATE lh_outbox SET state = 'failed', attempts = attempts + 1, ended_at_ms = $2, last_error = $3 WHERE id = $1 AND state = 'waiting'";
const selectKnown = "SELECT 1 AS known FROM lh_outbox WHERE id = $1";
const selectNewest = `SELECT * FROM (SELECT ${columns} FROM lh_outbox ORDER BY position DESC LIMIT ${listMax}) AS newest ORDER BY position`;

export async function queueNotification(tx: PostgresSession, { id, notifier, message, atMs, expiresAtMs }: OutboxWrite): Promise<void> {
  await tx.run(insertEntry, id, notifier, JSON.stringify(message), atMs, expiresAtMs);
}

/** Whoever queues a notification may be another process than the one that sends it. */
export function listenForOutbox(db: PostgresDatabase, onQueued: () => void): Listening {
  return db.listen(outboxTopic, { onNotice: onQueued, onListening: onQueued });
}

/** The first of each notifier, when it is due. An expired one is among them whatever its place, so that it is failed and not forgotten. */
export async function selectDueEntries(session: PostgresSession, nowMs: number): Promise<readonly OutboxEntry[]> {
  return (await session.all(selectDue, nowMs)).map(toEntry);
}

export async function selectNextOutboxAtMs(session: PostgresSession): Promise<number | null> {
  return (await session.get(selectNextAt))?.["next_at_ms"] as number | null;
}

/** A delivery is a fact: it also closes an entry that had been given up. */
export async function markEntryDelivered(tx: PostgresSession, id: string, atMs: number): Promise<void> {
  await assertKnown(tx, id);
  await tx.run(markDelivered, id, atMs);
}

export async function markEntryFailed(tx: PostgresSession, id: string, { atMs, error, nextAtMs }: FailedAttempt): Promise<void> {
  await assertKnown(tx, id);
  if (nextAtMs === null) await tx.run(markFailed, id, atMs, error);
  else await tx.run(markRetried, id, nextAtMs, error, atMs);
}

/** The last 1,000 entries in every state, oldest first. */
export async function listOutbox(session: PostgresSession): Promise<readonly OutboxItem[]> {
  return (await session.all(selectNewest)).map((row) => ({
    ...toEntry(row),
    state: row["state"] as OutboxItem["state"],
    queuedAtMs: Number(row["at_ms"]),
    endedAtMs: row["ended_at_ms"] as number | null,
    lastError: row["last_error"] as string | null,
  }));
}

async function assertKnown(tx: PostgresSession, id: string): Promise<void> {
  assert(await tx.get(selectKnown, id), `the outbox has no entry ${id}`);
}

function toEntry(row: PostgresRow): OutboxEntry {
  return {
    id: String(row["id"]),
    notifier: String(row["notifier"]),
    notification: JSON.parse(String(row["notification"])) as Notification,
    attempts: Number(row["attempts"]),
    nextAtMs: Number(row["next_at_ms"]),
    expiresAtMs: Number(row["expires_at_ms"]),
  };
}
