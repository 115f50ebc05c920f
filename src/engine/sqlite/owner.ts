import type { Clock, Timer } from "../../base/clock.ts";
import { formatDuration } from "../../base/duration.ts";
import { LonghaulError } from "../../base/error.ts";
import type { ProcessInfo } from "../../base/process.ts";
import type { GroupCommit } from "../../db/group-commit.ts";
import type { Row, SqliteDatabase } from "../../db/sqlite.ts";
import { isFinal } from "./writer.ts";

export interface OwnershipOptions {
  readonly db: SqliteDatabase;
  readonly clock: Clock;
  readonly processInfo: ProcessInfo;
  /** An owner that did not renew for this long is taken to hang. Default 15 s. */
  readonly leaseMs?: number;
  /** Default 5 s. */
  readonly renewMs?: number;
}

/** The right to write a data file, held by one process at a time. */
export interface Ownership {
  /** Grows with each owner. */
  readonly epoch: number;
  /** Stands first in every transaction of the group commit. @throws {ENGINE_FENCED} when another process took over. */
  readonly guard: (db: SqliteDatabase) => void;
  /** Begins to renew the lease. `onFenced` is called once, when a renewal is refused. */
  keep(commit: GroupCommit, onFenced: (error: Error) => void): void;
  /** Gives the file back, so that the next owner need not look for this process. */
  release(commit: GroupCommit): Promise<void>;
}

export interface Owner {
  readonly epoch: number;
  /** Null when the last owner gave the file back. */
  readonly pid: number | null;
  readonly startTime: string;
  readonly bootId: string;
  readonly renewedAtMs: number;
}

const leaseMsDefault = 15_000;
const renewMsDefault = 5_000;
/** What SQLite calls a database that another connection has locked. */
const busyErrcode = 5;

/**
 * Takes a data file over, or is refused.
 * O1 an owner that is dead, or of another boot, is replaced at once;        O2 one that is alive and renews is left alone;
 * O3 one that is alive and does not renew is fenced, then killed;           O4 whoever was replaced cannot commit: each transaction checks the epoch.
 * @throws {ENGINE_OWNED} naming the owner.
 */
export function acquireOwnership(options: OwnershipOptions): Ownership {
  const { db, clock, processInfo, leaseMs = leaseMsDefault, renewMs = renewMsDefault } = options;
  const { fenced, epoch } = takeOver(options, leaseMs);
  if (fenced !== null) processInfo.kill(fenced);
  let timer: Timer | null = null;
  let isReleased = false;
  const renew = async (commit: GroupCommit, onFenced: (error: Error) => void): Promise<void> => {
    timer = null;
    try {
      await commit.submit(() => db.run("UPDATE lh_owner SET renewed_at_ms = ? WHERE epoch = ?", clock.now(), epoch));
    } catch (error) {
      if (isFinal(error)) {
        onFenced(error as Error);
        return;
      }
      // A full disk or a lock: the lease may still be renewed in time, and if it is not, the guard protects the file.
    }
    if (!isReleased) timer = clock.setTimer(renewMs, () => void renew(commit, onFenced));
  };
  return {
    epoch,
    guard: (connection) => checkEpoch(connection, epoch),
    keep(commit, onFenced) {
      timer = clock.setTimer(renewMs, () => void renew(commit, onFenced));
    },
    async release(commit) {
      isReleased = true;
      timer?.cancel();
      await commit.submit(() => db.run("UPDATE lh_owner SET pid = NULL WHERE epoch = ?", epoch));
    },
  };
}

/** Writes the row of the new owner. `fenced` is the pid of a process that hangs and has to be killed. */
function takeOver(options: OwnershipOptions, leaseMs: number): { readonly epoch: number; readonly fenced: number | null } {
  const { db, processInfo } = options;
  try {
    return exchangeOwner(options, leaseMs);
  } catch (error) {
    const hanging = isBusy(error) ? refuseOrFindHanging(readOwner(db), options, leaseMs) : null;
    if (hanging === null) throw error;
    // It was stopped in the middle of a transaction and holds the lock: only its end gives it back.
    processInfo.kill(hanging);
    return exchangeOwner(options, leaseMs);
  }
}

function exchangeOwner(options: OwnershipOptions, leaseMs: number): { readonly epoch: number; readonly fenced: number | null } {
  const { db, clock, processInfo } = options;
  db.exec("BEGIN IMMEDIATE");
  try {
    const owner = readOwner(db);
    const fenced = refuseOrFindHanging(owner, options, leaseMs);
    const epoch = (owner?.epoch ?? 0) + 1;
    db.run(
      "INSERT OR REPLACE INTO lh_owner (one, epoch, pid, start_time, boot_id, renewed_at_ms) VALUES (1, ?, ?, ?, ?, ?)",
      epoch, processInfo.pid, processInfo.startTime, processInfo.bootId, clock.now(),
    );
    db.exec("COMMIT");
    return { epoch, fenced };
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** The pid of an owner that hangs, null when nobody is in the way. @throws {ENGINE_OWNED} */
function refuseOrFindHanging(owner: Owner | null, { db, clock, processInfo }: OwnershipOptions, leaseMs: number): number | null {
  if (owner === null || owner.pid === null) return null;
  if (owner.bootId !== processInfo.bootId || !processInfo.isAlive(owner.pid, owner.startTime)) return null;
  const ageMs = clock.now() - owner.renewedAtMs;
  if (ageMs < leaseMs) {
    const message = `Process ${owner.pid} owns ${db.path}: it is alive and was heard of ${formatDuration(Math.max(0, ageMs))} ago. Stop it, or give this one another --data directory.`;
    throw new LonghaulError("ENGINE_OWNED", message, { details: { pid: owner.pid, ageMs } });
  }
  return owner.pid === processInfo.pid ? null : owner.pid;
}

function checkEpoch(db: SqliteDatabase, epoch: number): void {
  const current = db.get("SELECT epoch FROM lh_owner")?.["epoch"];
  if (current === epoch) return;
  throw new LonghaulError("ENGINE_FENCED", `Another process took ${db.path} over (epoch ${Number(current)}, this process had ${epoch}). Stop this process; the other one goes on with the work.`, {
    details: { epoch, current: Number(current) },
  });
}

export function readOwner(db: SqliteDatabase): Owner | null {
  const row: Row | undefined = db.get("SELECT * FROM lh_owner");
  if (row === undefined) return null;
  return {
    epoch: Number(row["epoch"]),
    pid: typeof row["pid"] === "number" ? row["pid"] : null,
    startTime: String(row["start_time"]),
    bootId: String(row["boot_id"]),
    renewedAtMs: Number(row["renewed_at_ms"]),
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === busyErrcode;
}
