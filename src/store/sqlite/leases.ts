import { LonghaulError } from "../../base/error.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { LeaseGrant, LeaseHeld, LeaseRequest, LeaseStore } from "../store.ts";

/*
 * The owner of a data file is the only one who writes it, and holds every duty with it. The rows are here all the same: what is guarded by a lease is
 * so on every store.
 */

const nowMs = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

const selectLease = `SELECT epoch, holder, expires_at_ms - ${nowMs} AS held_ms FROM lh_lease WHERE name = ?`;
const upsertLease = `INSERT INTO lh_lease (name, holder, epoch, expires_at_ms) VALUES (?, ?, ?, ${nowMs} + ?)
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch, expires_at_ms = excluded.expires_at_ms`;
const prolongLease = `UPDATE lh_lease SET expires_at_ms = ${nowMs} + ? WHERE name = ? AND epoch = ?`;
const endLease = `UPDATE lh_lease SET epoch = epoch + 1, holder = '', expires_at_ms = ${nowMs} WHERE name = ? AND epoch = ?`;

export function acquireLease(db: SqliteDatabase, { name, holder, ttlMs }: LeaseRequest): LeaseGrant | LeaseHeld {
  const held = db.get(selectLease, name);
  const heldMs = Number(held?.["held_ms"] ?? 0);
  if (heldMs > 0 && held?.["holder"] !== holder) return { epoch: null, heldMs };
  const epoch = Number(held?.["epoch"] ?? 0) + 1;
  db.run(upsertLease, name, holder, epoch, ttlMs);
  return { epoch, vacantMs: held === undefined ? null : Math.max(0, -heldMs) };
}

export function renewLease(db: SqliteDatabase, { name, epoch, ttlMs }: Parameters<LeaseStore["renew"]>[0]): boolean {
  return db.run(prolongLease, ttlMs, name, epoch).changes === 1;
}

export function releaseLease(db: SqliteDatabase, { name, epoch }: Parameters<LeaseStore["release"]>[0]): void {
  db.run(endLease, name, epoch);
}

/** @throws {STORE_LEASE_LOST} */
export function assertLease(db: SqliteDatabase, { name, epoch }: { readonly name: string; readonly epoch: number }): void {
  const row = db.get(selectLease, name);
  if (row !== undefined && Number(row["epoch"]) === epoch) return;
  throw new LonghaulError("STORE_LEASE_LOST", `The lease ${name} is not this process's any more. What it wanted to write was left to the one who holds it.`, { details: { name, epoch } });
}
