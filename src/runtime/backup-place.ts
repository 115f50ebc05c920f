import { existsSync, linkSync, lstatSync, renameSync, rmSync, type Stats, statSync, unlinkSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { LonghaulError } from "../base/error.ts";
import { isDataFile, isUnfinishedCopy } from "../db/data-file.ts";
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
  if (isForced) assertReplaceable(path);
  else assertFree(path);
  const log = logSuffixes.map((each) => `${path}${each}`).find((each) => existsSync(each));
  if (log !== undefined) throw refused(`${log} is the log of a file that a process has open, or died with: it would be applied to a backup called ${path}. Give another name.`);
}

/** Removes what a copy that was killed left under the name of a partial one. @throws {BACKUP_EXISTS} for what is none. */
export function removeRemains(partial: string): void {
  const stats = lstatSync(partial, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isFile() || !isUnfinishedCopy(partial)) throw refused(`${partial} is what the backup would be called until it is whole, and is not left by another one. Move it, or give the backup another name.`);
  rmSync(partial);
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

/** No force makes a backup of a source file, or a regular file of a device: what is replaced is a file that Longhaul wrote. */
function assertReplaceable(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const kind = kindOf(stats);
  if (kind !== null) throw refused(`${path} is ${kind}, and only a file is replaced. Give another name.`);
  if (!isDataFile(path)) throw refused(`${path} is no backup that longhaul made, and is not replaced. Remove it yourself if you need it no more, or give another name.`);
}

/** Null: a regular file. */
function kindOf(stats: Stats): string | null {
  if (stats.isFile()) return null;
  if (stats.isSymbolicLink()) return "a link";
  if (stats.isFIFO()) return "a pipe";
  if (stats.isSocket()) return "a socket";
  return stats.isDirectory() ? "a folder" : "a device";
}

function assertFree(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw refused(`${path} exists already. Give another name, a directory, or --force to replace it.`);
}

function refused(message: string): LonghaulError {
  return new LonghaulError("BACKUP_EXISTS", message);
}
