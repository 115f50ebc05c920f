import { LonghaulError } from "../../base/error.ts";
import type { Listening } from "../../db/postgres-notices.ts";
import { notify } from "../../db/postgres-notify.ts";
import type { PostgresDatabase, PostgresSession } from "../../db/postgres.ts";
import type { LeaseGrant, LeaseHeld, LeaseRequest, LeaseStore } from "../store.ts";

/** What the server's clock says when the statement gets its row, after it waited for those who hold it. */
const now = "clock_timestamp()";
const afterTtl = (parameter: string): string => `${now} + ${parameter}::int8 * interval '1 millisecond'`;
const msBetween = (from: string, to: string): string => `(extract(epoch FROM ${to} - ${from}) * 1000)::int8`;

const leaseTopic = "lease";

const lockLease = `SELECT epoch, holder, ${msBetween(now, "expires_at")} AS held_ms FROM lh_lease WHERE name = $1 FOR UPDATE`;
const insertLease = `INSERT INTO lh_lease (name, holder, epoch, expires_at) VALUES ($1, $2, 1, ${afterTtl("$3")}) ON CONFLICT (name) DO NOTHING`;
const takeLease = `UPDATE lh_lease SET holder = $2, epoch = epoch + 1, expires_at = ${afterTtl("$3")} WHERE name = $1 RETURNING epoch`;
const prolongLease = `UPDATE lh_lease SET expires_at = ${afterTtl("$3")} WHERE name = $1 AND epoch = $2`;
const endLease = `UPDATE lh_lease SET epoch = epoch + 1, holder = '', expires_at = ${now} WHERE name = $1 AND epoch = $2`;
// Those who take the lease over wait for whoever writes under it.
const shareLease = "SELECT epoch, holder FROM lh_lease WHERE name = $1 FOR SHARE";

/** For how long another one has the lease yet; null when it may be free. Whoever only waits for it writes nothing. */
export async function heldByOther(db: PostgresSession, { name, holder }: LeaseRequest): Promise<LeaseHeld | null> {
  const lease = await readLease(db, name);
  return lease !== null && lease.heldMs > 0 && lease.holder !== holder ? { epoch: null, heldMs: lease.heldMs } : null;
}

export async function acquireLease(tx: PostgresSession, { name, holder, ttlMs }: LeaseRequest): Promise<LeaseGrant | LeaseHeld> {
  if ((await tx.run(insertLease, name, holder, ttlMs)).changes === 1) return { epoch: 1, vacantMs: null };
  const held = await tx.get(lockLease, name);
  const heldMs = Number(held?.["held_ms"]);
  if (heldMs > 0 && held?.["holder"] !== holder) return { epoch: null, heldMs };
  const taken = await tx.get(takeLease, name, holder, ttlMs);
  return { epoch: Number(taken?.["epoch"]), vacantMs: Math.max(0, -heldMs) };
}

/** One statement, which is a transaction by itself. */
export async function renewLease(db: PostgresSession, { name, epoch, ttlMs }: Parameters<LeaseStore["renew"]>[0]): Promise<boolean> {
  return (await db.run(prolongLease, name, epoch, ttlMs)).changes === 1;
}

export async function releaseLease(tx: PostgresSession, { name, epoch }: Parameters<LeaseStore["release"]>[0]): Promise<void> {
  const { changes } = await tx.run(endLease, name, epoch);
  if (changes === 1) await notify(tx, leaseTopic, [name]);
}

/** Who has a lease, and for how long yet; less than 0: since when it is over. Null when nobody has it. */
export async function readLease(db: PostgresSession, name: string): Promise<{ readonly holder: string; readonly heldMs: number } | null> {
  const row = await db.get(`SELECT holder, ${msBetween(now, "expires_at")} AS held_ms FROM lh_lease WHERE name = $1`, name);
  return row === undefined || row["holder"] === "" ? null : { holder: String(row["holder"]), heldMs: Number(row["held_ms"]) };
}

/** Calls `onFree` when a lease was given up, and when it may have been unheard. */
export function listenForLeases(db: PostgresDatabase, onFree: () => void): Listening {
  return db.listen(leaseTopic, { onNotice: onFree, onListening: onFree });
}

/** @throws {STORE_LEASE_LOST} */
export async function assertLease(tx: PostgresSession, { name, epoch }: { readonly name: string; readonly epoch: number }): Promise<void> {
  const row = await tx.get(shareLease, name);
  if (row !== undefined && Number(row["epoch"]) === epoch) return;
  const holder = row === undefined || row["holder"] === "" ? "nobody" : String(row["holder"]);
  throw new LonghaulError("STORE_LEASE_LOST", `The lease ${name} is not this process's any more: ${holder} holds it. What it wanted to write was left to the one who does.`, { details: { name, epoch } });
}
