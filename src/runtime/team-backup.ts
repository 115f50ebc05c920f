import { readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { BackupSpec } from "../agent/team-definition.ts";
import { type Clock, setWallTimer, type Timer } from "../base/clock.ts";
import { formatDuration, parseDuration } from "../base/duration.ts";
import { LonghaulError, messageOf } from "../base/error.ts";
import type { Notification } from "../record/notification.ts";
import type { RecordFields } from "../record/log-record.ts";
import type { Alerting } from "./alerting.ts";
import { type BackupLog, changeBackupLog, readBackupLog, toLastBackup } from "./backup-log.ts";
import { isBackupName, partialSuffix } from "./backup-place.ts";
import { type Backup, backUpData } from "./data-backup.ts";
import { dataDirectory } from "./data-directory.ts";

export const teamBackupDefaults = { everyMs: 3_600_000, keep: 24 } as const;

export interface TeamBackupOptions {
  readonly team: string;
  readonly spec: BackupSpec;
  readonly directory: string;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  readonly record: (fields: RecordFields) => void;
  readonly alerting: Pick<Alerting, "enqueue">;
}

export interface TeamBackup {
  close(): Promise<void>;
}

/** One that failed is tried again after this, or after its interval where that is shorter. */
const retryMs = 300_000;
/** While backups fail, people are told again after this. */
const tellAgainMs = 14_400_000;

/**
 * Copies the data of a running team on an interval.
 *  B1 never two at once; the next one is due an interval after the last one was begun, also by a process before this one;
 *  B2 a failure is told at once, again every 4 h, and when it is over; it is tried again and the team goes on;
 *  B3 as many are kept as was said, the newest; none is removed before there is a newer one, and nothing else in the directory is touched.
 */
export function startTeamBackup(options: TeamBackupOptions): TeamBackup {
  const { spec, directory, clock } = options;
  const everyMs = spec.every === undefined ? teamBackupDefaults.everyMs : parseDuration(spec.every, "backup.every");
  const closing = new AbortController();
  let timer: Timer | null = null;
  let underWay: Promise<void> = Promise.resolve();
  let toldAtMs: number | null = null;

  const arm = (delayMs: number): void => {
    if (closing.signal.aborted) return;
    timer = setWallTimer(clock, delayMs, () => {
      underWay = round();
    });
  };
  const round = async (): Promise<void> => {
    const begunAtMs = clock.now();
    try {
      const backup = await backUpData({ from: dataDirectory(directory).database, to: `${resolve(spec.to)}/`, clock, signal: closing.signal });
      const before = note(directory, { last: toLastBackup(backup), failing: null });
      removeOld(options);
      options.record(recordOf(backup));
      if (before.failing !== null) await tellWorks(options, before.failing.sinceMs);
      toldAtMs = null;
      arm(Math.max(0, begunAtMs + everyMs - clock.now()));
    } catch (error) {
      if (closing.signal.aborted) return;
      await noteFailure(messageOf(error));
      arm(Math.min(retryMs, everyMs));
    }
  };
  const noteFailure = async (message: string): Promise<void> => {
    const nowMs = clock.now();
    const { failing, last } = readBackupLog(directory);
    const sinceMs = failing?.sinceMs ?? nowMs;
    options.record({ event_type: "error", result: "error", reason: `backup: ${message}` });
    try {
      note(directory, { failing: { sinceMs, message } });
      if (toldAtMs !== null && nowMs - toldAtMs < tellAgainMs) return;
      toldAtMs = nowMs;
      await options.alerting.enqueue(failureOf(options, message, last, nowMs));
    } catch {
      // The disk of the data is full too: that is told by others.
    }
  };

  const { last } = note(directory, { everyMs });
  arm(last === null ? 0 : Math.max(0, Math.min(everyMs, last.atMs + everyMs - clock.now())));
  return {
    async close() {
      timer?.cancel();
      closing.abort(new LonghaulError("ENGINE_CLOSED", "The team is stopping. The backup is made after the next start."));
      await underWay;
    },
  };
}

/** Changes the log, and returns what it said before. */
function note(directory: string, changes: Partial<BackupLog>): BackupLog {
  const before = readBackupLog(directory);
  changeBackupLog(directory, changes);
  return before;
}

/** The team that ran here before made backups, and this one makes none: nobody is to miss them. */
export function forgetTeamBackup(directory: string): void {
  if (readBackupLog(directory).everyMs !== null) changeBackupLog(directory, { everyMs: null, failing: null });
}

function removeOld({ team, spec }: TeamBackupOptions): void {
  const names = readdirSync(spec.to);
  const whole = names.filter((name) => isBackupName(team, name)).toSorted();
  const old = whole.slice(0, Math.max(0, whole.length - (spec.keep ?? teamBackupDefaults.keep)));
  // What a process left that was killed in the middle of it: none is under way now.
  const partial = names.filter((name) => name.endsWith(partialSuffix) && isBackupName(team, name.slice(0, -partialSuffix.length)));
  for (const name of [...old, ...partial]) rmSync(join(spec.to, name), { force: true });
}

function recordOf({ path, bytes, newestCommitAtMs, tookMs }: Backup): RecordFields {
  return { event_type: "control", result: "backed-up", duration_ms: Math.round(tookMs), data: { path, bytes, recoveryPointAtMs: newestCommitAtMs } };
}

function failureOf({ team, ids, spec }: TeamBackupOptions, message: string, last: BackupLog["last"], nowMs: number): Notification {
  const since = last === null ? "There is none." : `The last one is ${formatDuration(nowMs - last.atMs)} old: ${last.path}.`;
  return { id: ids("n"), atMs: nowMs, team, agent: null, severity: "critical", title: `${team} cannot make its backup`, text: `${message}\n${since}\nNext: make room, or mend what the message names. It is tried again by itself.`, data: { to: spec.to } };
}

async function tellWorks({ team, ids, clock, alerting, spec }: TeamBackupOptions, sinceMs: number): Promise<void> {
  const nowMs = clock.now();
  await alerting.enqueue({ id: ids("n"), atMs: nowMs, team, agent: null, severity: "resolved", title: `${team} makes its backups again`, text: `It could not for ${formatDuration(nowMs - sinceMs)}.`, data: { to: spec.to } });
}

/** A team on a cluster has no data directory to copy. @throws {OPTION_INVALID} */
export function assertBackupPossible(spec: BackupSpec | undefined, isCluster: boolean): void {
  if (spec === undefined || !isCluster) return;
  throw new LonghaulError("OPTION_INVALID", "backup of defineTeam copies a data directory, and this team is in PostgreSQL. Remove it, and back the database up with PostgreSQL's own tools.");
}
