import type { Clock } from "../../base/clock.ts";
import type { ProcessInfo } from "../../base/process.ts";
import type { Row, SqliteDatabase } from "../../db/sqlite.ts";

/** A team works on its tasks for months. A command writes what a person asked for, executes nothing and is gone in a moment. */
export type OwnerPurpose = "team" | "command";

/** The row of ownership of a data file. */
export interface Owner {
  /** Grows with each owner. */
  readonly epoch: number;
  /** Null when the last owner gave the file back. */
  readonly pid: number | null;
  readonly startTime: string;
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly purpose: OwnerPurpose;
  /** What the owner promised: silent for longer, it is taken to hang. */
  readonly leaseMs: number;
  /** For people. Nothing is decided by it: wall clocks jump. */
  readonly renewedAtMs: number;
  /** On the clock of the boot. */
  readonly renewedMonotonicMs: number;
}

/** What another process can say about the owner of a data file. */
export interface OwnerSight {
  /** `nobody`: never owned, or given back. `gone`: its process has ended. `fresh`: alive and within its lease. `silent`: not heard of for longer than its lease. */
  readonly state: "nobody" | "gone" | "fresh" | "silent";
  /** Since it was heard of last. By the wall clock when that was in another boot. */
  readonly ageMs: number;
  /** It is in another container: nothing can be said of its process, and its pid means nothing here. */
  readonly isForeign: boolean;
}

export function readOwner(db: SqliteDatabase): Owner | null {
  const row: Row | undefined = db.get("SELECT * FROM lh_owner");
  if (row === undefined) return null;
  return {
    epoch: Number(row["epoch"]),
    pid: typeof row["pid"] === "number" ? row["pid"] : null,
    startTime: String(row["start_time"]),
    bootId: String(row["boot_id"]),
    pidNamespace: String(row["pid_namespace"]),
    purpose: row["purpose"] === "command" ? "command" : "team",
    leaseMs: Number(row["lease_ms"]),
    renewedAtMs: Number(row["renewed_at_ms"]),
    renewedMonotonicMs: Number(row["renewed_monotonic_ms"]),
  };
}

/** Looks at the owner as a process of this machine. */
export function lookAtOwner(owner: Owner | null, { clock, processInfo }: { readonly clock: Clock; readonly processInfo: ProcessInfo }): OwnerSight {
  if (owner === null || owner.pid === null) return { state: "nobody", ageMs: 0, isForeign: false };
  if (owner.bootId !== processInfo.bootId) return { state: "gone", ageMs: Math.max(0, clock.now() - owner.renewedAtMs), isForeign: false };
  const ageMs = Math.max(0, clock.monotonicMs() - owner.renewedMonotonicMs);
  const isForeign = owner.pidNamespace !== processInfo.pidNamespace;
  if (!isForeign && !processInfo.isAlive(owner.pid, owner.startTime)) return { state: "gone", ageMs, isForeign };
  return { state: ageMs < owner.leaseMs ? "fresh" : "silent", ageMs, isForeign };
}
