import { existsSync, linkSync, renameSync, statSync, unlinkSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { LonghaulError } from "../base/error.ts";
import { fileIdentity } from "../db/file-identity.ts";

/** What a backup is called until it is whole. */
export const partialSuffix = ".partial";

/** What SQLite keeps beside a data file, and applies to whatever has that file's name. */
const logSuffixes = ["-wal", "-shm", "-journal"] as const;

/** "prospecting-2026-11-26T10-15-00.000Z.db": sorted by name they are sorted by age, as long as nobody set the clock back. */
export function backupName(team: string, atMs: number): string {
  return `${fileNamePart(team)}-${new Date(atMs).toISOString().replaceAll(":", "-")}.db`;
}

function fileNamePart(team: string): string {
  return team.replaceAll(/[^\w.-]/g, "_");
}

export function backupPlace(to: string, team: string, atMs: number): string {
  const path = resolve(to);
  const isDirectory = /[/\\]$/.test(to) || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isDirectory ? join(path, backupName(team, atMs)) : path;
}

/** Whether both paths lead to one file: a path is not the only one to its file. */
export function isSameFile(one: string, other: string): boolean {
  const identity = fileIdentity(one);
  return identity !== null && identity === fileIdentity(other);
}

/**
 * A file of this name may become a backup of the data file `from`.
 * @throws {BACKUP_EXISTS}
 */
export function assertPlace(path: string, { from, isForced }: { readonly from: string; readonly isForced: boolean }): void {
  if (path === resolve(from) || isSameFile(path, from)) throw refused(`${path} is the data file itself. Give another place for the backup.`);
  const suffix = logSuffixes.find((each) => path.endsWith(each));
  if (suffix !== undefined) throw refused(`${basename(path)} is what SQLite calls a log of ${basename(path).slice(0, -suffix.length)} in ${dirname(path)}. Give the backup another name.`);
  if (!isForced) assertFree(path);
  const log = logSuffixes.map((each) => `${path}${each}`).find((each) => existsSync(each));
  if (log !== undefined) throw refused(`${log} is the log of a file that a process has open, or died with: it would be applied to a backup called ${path}. Give another name.`);
}

/** `partial` is called `path` from now on. Where nobody said that it may, it takes the place of no file that came meanwhile. */
export function giveName(partial: string, path: string, options: { readonly from: string; readonly isForced: boolean }): void {
  assertPlace(path, options);
  if (options.isForced) {
    renameSync(partial, path);
    return;
  }
  try {
    linkSync(partial, path);
  } catch {
    // It exists by now, or this file system knows no links.
    assertFree(path);
    renameSync(partial, path);
    return;
  }
  unlinkSync(partial);
}

function assertFree(path: string): void {
  if (existsSync(path)) throw refused(`${path} exists already. Give another name, a directory, or --force to replace it.`);
}

function refused(message: string): LonghaulError {
  return new LonghaulError("BACKUP_EXISTS", message);
}
