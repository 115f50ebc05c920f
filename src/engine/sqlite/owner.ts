import type { Clock, Timer } from "../../base/clock.ts";
import { formatDuration } from "../../base/duration.ts";
import { isLonghaulError, LonghaulError } from "../../base/error.ts";
import type { ProcessInfo } from "../../base/process.ts";
import { fileIdentity } from "../../db/file-identity.ts";
import type { GroupCommit } from "../../db/group-commit.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import { lookAtOwner, type Owner, type OwnerPurpose, type OwnerSight, readOwner } from "./owner-state.ts";
import { isFinal } from "./writer.ts";

export interface OwnershipOptions {
  readonly db: SqliteDatabase;
  readonly clock: Clock;
  readonly processInfo: ProcessInfo;
  /** How long this process may be silent until another one may take it to hang. Written into the row: whoever asks goes by the owner's own. Default 15 s. */
  readonly leaseMs?: number;
  /** Default: a third of the lease. */
  readonly renewMs?: number;
  /** An owner that seems to hang gets so long to renew: it may just have woken up with its machine. Default 1 s. */
  readonly secondLookMs?: number;
  /** What this process is here for. A command leaves a team that hangs alone: it would end it and not go on with its work. Default `team`. */
  readonly purpose?: OwnerPurpose;
}

/** The right to write a data file, held by one process at a time. */
export interface Ownership {
  /** Grows with each owner. */
  readonly epoch: number;
  /** Stands first in every transaction of the group commit. @throws {ENGINE_FENCED} when another process took over, or the file was deleted or replaced. */
  readonly guard: (db: SqliteDatabase) => void;
  /** Begins to renew the lease. `onFenced` is called once, when a renewal is refused. */
  keep(commit: GroupCommit, onFenced: (error: Error) => void): void;
  /** Gives the file back, so that the next owner need not look for this process. */
  release(commit: GroupCommit): Promise<void>;
}

const leaseMsDefault = 15_000;
const secondLookMsDefault = 1_000;
const renewalsPerLease = 3;
/** A command that owns the file is done in far less than 10 s, also on a busy machine, and others may follow it. */
const commandLooksMax = 200;
const commandLookMs = 50;
/** What SQLite calls a database that another connection has locked. */
const busyErrcode = 5;

/**
 * Takes a data file over, or is refused. The lease is on the clock of the boot: setting the wall clock changes nothing, and it stands still with the
 * machine on Linux; where it does not, the second look finds an owner that woke up.
 * O1 an owner that is dead, or of another boot, is replaced at once;        O2 one that is alive and renews is left alone;
 * O3 one that is alive and does not renew is fenced, then killed;           O4 whoever was replaced cannot commit: each transaction checks the epoch;
 * O5 one of another container is judged by its lease alone, and never killed: its pid is somebody else's here;
 * O6 one whose file is not the one at its path any more stops: whoever starts there knows nothing of it. Nobody becomes the owner of such a file.
 * @throws {ENGINE_OWNED} naming the owner. @throws {ENGINE_FENCED} when the file was replaced since it was opened.
 */
export function acquireOwnership(options: OwnershipOptions): Ownership {
  const { db, clock, leaseMs = leaseMsDefault, renewMs = leaseMs / renewalsPerLease } = options;
  const epoch = takeOver(options, leaseMs);
  let timer: Timer | null = null;
  let isReleased = false;
  let moved: LonghaulError | null = null;
  const renew = async (commit: GroupCommit, onFenced: (error: Error) => void): Promise<void> => {
    timer = null;
    try {
      if (isMoved(db)) moved = fileMoved(db);
      await commit.submit(() => db.run("UPDATE lh_owner SET renewed_at_ms = ?, renewed_monotonic_ms = ? WHERE epoch = ?", Math.floor(clock.now()), Math.floor(clock.monotonicMs()), epoch), { mayRepeat: true });
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
    guard(connection) {
      if (moved !== null) throw moved;
      checkEpoch(connection, epoch);
    },
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

/** Waits for commands that write what they were asked to, however many come one after the other. Returns the new epoch. */
function takeOver(options: OwnershipOptions, leaseMs: number): number {
  for (let looks = 0; ; looks++) {
    try {
      return takeOverNow(options, leaseMs);
    } catch (error) {
      if (looks >= commandLooksMax || !isOwnedByCommand(error)) throw error;
      options.processInfo.standStill(commandLookMs);
    }
  }
}

/** Writes the row of the new owner, then ends the process that hung. Returns the new epoch. */
function takeOverNow(options: OwnershipOptions, leaseMs: number): number {
  const { db, processInfo, secondLookMs = secondLookMsDefault } = options;
  // Not within a transaction: an owner that woke up has to be able to write.
  if (findReplaced(options)?.sight.state === "silent") processInfo.standStill(secondLookMs);
  try {
    const { epoch, replaced } = exchangeOwner(options, leaseMs);
    killHanging(replaced, processInfo);
    return epoch;
  } catch (error) {
    if (!isBusy(error)) throw error;
    // Whoever holds the lock was stopped in the middle of a transaction: only its end gives the lock back.
    if (!killHanging(findReplaced(options), processInfo)) throw locked(db, error);
  }
  try {
    return exchangeOwner(options, leaseMs).epoch;
  } catch (error) {
    throw isBusy(error) ? locked(db, error) : error;
  }
}

interface Replaced {
  readonly owner: Owner;
  readonly sight: OwnerSight;
}

function exchangeOwner(options: OwnershipOptions, leaseMs: number): { readonly epoch: number; readonly replaced: Replaced | null } {
  const { db, clock, processInfo, purpose = "team" } = options;
  db.exec("BEGIN IMMEDIATE");
  try {
    const replaced = findReplaced(options);
    // The command that was waited for may have put a backup in the place of this file. None can from here on: it would have to own it.
    if (isMoved(db)) throw fileMoved(db);
    const epoch = (readOwner(db)?.epoch ?? 0) + 1;
    db.run(
      `INSERT OR REPLACE INTO lh_owner (one, epoch, pid, start_time, boot_id, pid_namespace, purpose, lease_ms, renewed_at_ms, renewed_monotonic_ms) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      epoch, processInfo.pid, processInfo.startTime, processInfo.bootId, processInfo.pidNamespace, purpose, leaseMs, Math.floor(clock.now()), Math.floor(clock.monotonicMs()),
    );
    db.exec("COMMIT");
    return { epoch, replaced };
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** The owner that may be replaced, null when there is none. @throws {ENGINE_OWNED} when it may not. */
function findReplaced(options: OwnershipOptions): Replaced | null {
  const { db, processInfo, purpose = "team" } = options;
  const owner = readOwner(db);
  const sight = lookAtOwner(owner, options);
  if (owner === null || sight.state === "nobody") return null;
  if (sight.state === "fresh") throw sight.isForeign ? ownedElsewhere(db, owner, sight) : owned(db, owner, sight);
  const isSelf = owner.pid === processInfo.pid && !sight.isForeign;
  if (sight.state === "silent" && purpose === "command" && owner.purpose === "team" && !sight.isForeign && !isSelf) throw ownedByHanging(db, owner, sight);
  return { owner, sight };
}

function isOwnedByCommand(error: unknown): boolean {
  return isLonghaulError(error) && error.code === "ENGINE_OWNED" && error.details["purpose"] === ("command" satisfies OwnerPurpose);
}

/** True when there was a process to kill. It is looked at once more: its pid may be another process's by now. */
function killHanging(replaced: Replaced | null, processInfo: ProcessInfo): boolean {
  if (replaced === null) return false;
  const { owner, sight } = replaced;
  if (sight.state !== "silent" || sight.isForeign || owner.pid === null || owner.pid === processInfo.pid || !processInfo.isAlive(owner.pid, owner.startTime)) return false;
  processInfo.kill(owner.pid);
  return true;
}

function owned(db: SqliteDatabase, { pid, purpose }: Owner, { ageMs }: OwnerSight): LonghaulError {
  if (purpose === "command") {
    const message = `A command (process ${pid}) owns ${db.path} while it writes, which takes a moment. Try again.`;
    return new LonghaulError("ENGINE_OWNED", message, { retry: "backoff", details: { pid, ageMs, purpose } });
  }
  const message = `Process ${pid} owns ${db.path}: it is alive and was heard of ${formatDuration(ageMs)} ago. Stop it, or give this one another --data directory.`;
  return new LonghaulError("ENGINE_OWNED", message, { details: { pid, ageMs } });
}

function ownedElsewhere(db: SqliteDatabase, { pid, leaseMs, purpose }: Owner, { ageMs }: OwnerSight): LonghaulError {
  const afterMs = Math.ceil(leaseMs - ageMs);
  const message = `A process of another container (pid ${pid} there) owns ${db.path}: it was heard of ${formatDuration(ageMs)} ago. Stop it there, or give this one another --data directory. If it is gone, try again in ${formatDuration(afterMs)}.`;
  return new LonghaulError("ENGINE_OWNED", message, { retry: { afterMs }, details: { pid, ageMs, purpose, otherContainer: true } });
}

function ownedByHanging(db: SqliteDatabase, { pid }: Owner, { ageMs }: OwnerSight): LonghaulError {
  const message = `Process ${pid} owns ${db.path} and has written nothing for ${formatDuration(ageMs)}: its disk is full, or it hangs. Type: longhaul start team.ts, which takes over from one that hangs. Then try again.`;
  return new LonghaulError("ENGINE_OWNED", message, { details: { pid, ageMs, hangs: true } });
}

function locked(db: SqliteDatabase, cause: unknown): LonghaulError {
  const message = `Another process holds ${db.path} locked and does not let go of it: it is busy with it, was stopped in the middle of a write, or is in another container. End that process, or try again.`;
  return new LonghaulError("ENGINE_OWNED", message, { retry: "backoff", cause });
}

function checkEpoch(db: SqliteDatabase, epoch: number): void {
  const current = db.get("SELECT epoch FROM lh_owner")?.["epoch"];
  if (current === epoch) return;
  throw new LonghaulError("ENGINE_FENCED", `Another process took ${db.path} over (epoch ${Number(current)}, this process had ${epoch}). This process stops; the other one goes on with the work.`, {
    details: { epoch, current: Number(current) },
  });
}

function isMoved({ path, identity }: SqliteDatabase): boolean {
  return fileIdentity(path) !== identity;
}

function fileMoved({ path }: SqliteDatabase): LonghaulError {
  const message = `${path} was deleted or replaced while this process worked on it: what it writes reaches nobody. This process stops. To work on what is at that path now, start the team again.`;
  return new LonghaulError("ENGINE_FENCED", message, { details: { path } });
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" && error.errcode % 256 === busyErrcode;
}
