import { join, resolve } from "node:path";
import type { BackupSpec } from "../agent/team-definition.ts";
import { type Clock, setWallTimer, type Timer } from "../base/clock.ts";
import { formatDuration, parseDuration } from "../base/duration.ts";
import { LonghaulError, messageOf } from "../base/error.ts";
import type { Notification } from "../record/notification.ts";
import type { RecordFields } from "../record/log-record.ts";
import type { Alerting } from "./alerting.ts";
import { type BackupLog, changeBackupLog, readBackupLog, toLastBackup } from "./backup-log.ts";
import { backupName } from "./backup-place.ts";
import { type Backup, backUpData } from "./data-backup.ts";
import { dataDirectory } from "./data-directory.ts";
import { MadeBackups } from "./made-backups.ts";

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
 *  B3 as many are kept as was said, those that were made last; none is removed before there is a newer one, and nothing that the teams of this data directory did not make;
 *  B4 what is to be noted of a backup, and cannot be, takes nothing from it: people are told.
 */
export function startTeamBackup(options: TeamBackupOptions): TeamBackup {
  const { team, spec, directory, clock } = options;
  const everyMs = spec.every === undefined ? teamBackupDefaults.everyMs : parseDuration(spec.every, "backup.every");
  const to = resolve(spec.to);
  const closing = new AbortController();
  const made = new MadeBackups(directory);
  const telling = createTelling(options);
  let timer: Timer | null = null;
  let underWay: Promise<void> = Promise.resolve();

  const arm = (delayMs: number): void => {
    if (closing.signal.aborted) return;
    timer = setWallTimer(clock, delayMs, () => {
      underWay = round();
    });
  };
  const round = async (): Promise<void> => {
    const begunAtMs = clock.now();
    const path = join(to, backupName(team, begunAtMs));
    const problems = new Problems();
    try {
      problems.try(() => {
        made.begin(path);
        made.save();
      });
      const backup = await backUpData({ from: dataDirectory(directory).database, to: path, clock, signal: closing.signal });
      options.record(recordOf(backup));
      const { failing } = readBackupLog(directory);
      made.end();
      problems.try(() => made.removeOld(to, spec.keep ?? teamBackupDefaults.keep));
      problems.try(() => made.save());
      const isNoted = problems.try(() => changeBackupLog(directory, { last: toLastBackup(backup), failing: null }));
      await telling.made(problems.first, isNoted ? failing : null);
      arm(Math.max(0, begunAtMs + everyMs - clock.now()));
    } catch (error) {
      problems.try(() => {
        made.giveUp();
        made.save();
      });
      if (closing.signal.aborted) return;
      await telling.failed(messageOf(error));
      arm(Math.min(retryMs, everyMs));
    }
  };

  const problems = new Problems();
  problems.try(() => changeBackupLog(directory, { everyMs }));
  if (problems.first !== null) options.record(unnoted(problems.first));
  const { last } = readBackupLog(directory);
  arm(last === null ? 0 : Math.max(0, Math.min(everyMs, last.atMs + everyMs - clock.now())));
  return {
    async close() {
      timer?.cancel();
      closing.abort(new LonghaulError("ENGINE_CLOSED", "The team is stopping. The backup is made after the next start."));
      await underWay;
    },
  };
}

/** What went wrong beside a backup: all of it is tried, the first is told. */
class Problems {
  first: string | null = null;

  try(body: () => void): boolean {
    try {
      body();
      return true;
    } catch (error) {
      this.first ??= messageOf(error);
      return false;
    }
  }
}

interface Telling {
  /** A backup was made. `problem`: what could not be noted or removed. `failing`: what was noted before of backups that failed. */
  made(problem: string | null, failing: BackupLog["failing"]): Promise<void>;
  failed(message: string): Promise<void>;
}

function createTelling(options: TeamBackupOptions): Telling {
  const { directory, clock, record } = options;
  const toldAtMs: { failed: number | null; problem: number | null } = { failed: null, problem: null };
  const isDue = (what: keyof typeof toldAtMs): boolean => {
    const nowMs = clock.now();
    const before = toldAtMs[what];
    if (before !== null && nowMs - before < tellAgainMs) return false;
    toldAtMs[what] = nowMs;
    return true;
  };
  const tell = async (notification: Notification): Promise<void> => {
    try {
      await options.alerting.enqueue(notification);
    } catch {
      // The disk of the data is full: that is told by others.
    }
  };
  return {
    async made(problem, failing) {
      if (failing !== null) await tell(worksAgain(options, failing.sinceMs));
      toldAtMs.failed = null;
      if (problem === null) {
        toldAtMs.problem = null;
        return;
      }
      record(unnoted(problem));
      if (isDue("problem")) await tell(problemOf(options, problem));
    },
    async failed(message) {
      const { failing, last } = readBackupLog(directory);
      record({ event_type: "error", result: "error", reason: `backup: ${message}` });
      new Problems().try(() => changeBackupLog(directory, { failing: { sinceMs: failing?.sinceMs ?? clock.now(), message } }));
      if (isDue("failed")) await tell(failureOf(options, message, last, clock.now()));
    },
  };
}

/** The team that ran here before made backups, and this one makes none: nobody is to miss them. Where that cannot be noted, they are missed. */
export function forgetTeamBackup(directory: string): void {
  if (readBackupLog(directory).everyMs !== null) new Problems().try(() => changeBackupLog(directory, { everyMs: null, failing: null }));
}

function unnoted(problem: string): RecordFields {
  return { event_type: "error", result: "error", reason: `backup: it is made, but not all that belongs to it: ${problem}` };
}

function recordOf({ path, bytes, newestCommitAtMs, tookMs }: Backup): RecordFields {
  return { event_type: "control", result: "backed-up", duration_ms: Math.round(tookMs), data: { path, bytes, recoveryPointAtMs: newestCommitAtMs } };
}

function failureOf({ team, ids, spec }: TeamBackupOptions, message: string, last: BackupLog["last"], nowMs: number): Notification {
  const since = last === null ? "There is none." : `The last one is ${formatDuration(nowMs - last.atMs)} old: ${last.path}.`;
  return { id: ids("n"), atMs: nowMs, team, agent: null, severity: "critical", title: `${team} cannot make its backup`, text: `${message}\n${since}\nNext: make room, or mend what the message names. It is tried again by itself.`, data: { to: spec.to } };
}

function problemOf({ team, ids, clock, spec }: TeamBackupOptions, problem: string): Notification {
  return { id: ids("n"), atMs: clock.now(), team, agent: null, severity: "warning", title: `${team} made its backup, but could not note it or remove an old one`, text: `${problem}\nNext: mend what the message names, or ${spec.to} fills up.`, data: { to: spec.to } };
}

function worksAgain({ team, ids, clock, spec }: TeamBackupOptions, sinceMs: number): Notification {
  const nowMs = clock.now();
  return { id: ids("n"), atMs: nowMs, team, agent: null, severity: "resolved", title: `${team} makes its backups again`, text: `It could not for ${formatDuration(nowMs - sinceMs)}.`, data: { to: spec.to } };
}

/** A team on a cluster has no data directory to copy. @throws {OPTION_INVALID} */
export function assertBackupPossible(spec: BackupSpec | undefined, isCluster: boolean): void {
  if (spec === undefined || !isCluster) return;
  throw new LonghaulError("OPTION_INVALID", "backup of defineTeam copies a data directory, and this team is in PostgreSQL. Remove it, and back the database up with PostgreSQL's own tools.");
}
