import { messageOf } from "../base/error.ts";
import { isMissingTable } from "../db/postgres-failure.ts";

/** What the operating system, the disk or a database refused: nobody's bug, and a person can mend it. */
export interface SystemFailure {
  readonly message: string;
  readonly remedy: string;
}

const makeRoom = "Make room on the disk, then type the command again. What was finished is kept.";
const restore = "The data file is damaged. Stop the team and type: longhaul restore <backup>. Or give another directory with --data.";
const bringBack = "Rename back what somebody renamed, or restore it from a backup of PostgreSQL: no start of longhaul makes it anew.";
const mayWrite = "Give a directory that this user may write to, with --data where it is the team's.";
const otherPlace = "Something else has this name. Give another directory, with --data where it is the team's.";

const systemRemedies: Readonly<Record<string, string>> = {
  ENOSPC: makeRoom,
  EDQUOT: makeRoom,
  EACCES: mayWrite,
  EPERM: mayWrite,
  EROFS: mayWrite,
  ENOENT: mayWrite,
  EEXIST: otherPlace,
  ENOTDIR: otherPlace,
  EISDIR: otherPlace,
};

/** By SQLite's primary result code. */
const sqliteRemedies: Readonly<Record<number, string>> = { 8: mayWrite, 10: "The disk failed. Look at the system's log.", 11: restore, 13: makeRoom, 14: mayWrite, 26: restore };

/** Null for everything else, which may well be a bug. */
export function toSystemFailure(error: unknown): SystemFailure | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  if (isMissingTable(error)) return { message: `PostgreSQL lacks something of the team: ${messageOf(error)}`, remedy: bringBack };
  const remedy = error.code === "ERR_SQLITE_ERROR" ? sqliteRemedyOf(error) : "syscall" in error ? systemRemedies[String(error.code)] : undefined;
  return remedy === undefined ? null : { message: messageOf(error), remedy };
}

/** Extended codes carry the primary one in their low byte. */
function sqliteRemedyOf(error: Error): string | undefined {
  return "errcode" in error && typeof error.errcode === "number" ? sqliteRemedies[error.errcode & 0xff] : undefined;
}
