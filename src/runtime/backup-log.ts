import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject, type Json } from "../base/json.ts";
import type { Backup } from "./data-backup.ts";

/** What a data directory remembers of the backups that were made of it, whoever made them. It is beside the data file: a backup changes nothing in that. */
export interface BackupLog {
  readonly last: LastBackup | null;
  /** That the team cannot make its backups; null: it can, or makes none. */
  readonly failing: { readonly sinceMs: number; readonly message: string } | null;
  /** How often the team that ran last makes one; null: not at all. */
  readonly everyMs: number | null;
}

export interface LastBackup {
  readonly path: string;
  readonly atMs: number;
  readonly recoveryPointAtMs: number | null;
  readonly bytes: number;
}

const nothing: BackupLog = { last: null, failing: null, everyMs: null };

export function readBackupLog(dataDirectory: string): BackupLog {
  try {
    const stored = JSON.parse(readFileSync(fileOf(dataDirectory), "utf8")) as Json;
    return isJsonObject(stored) ? { ...nothing, ...(stored as Partial<BackupLog>) } : nothing;
  } catch {
    // None was made, or the file was cut off: then nobody knows of one.
    return nothing;
  }
}

export function changeBackupLog(dataDirectory: string, changes: Partial<BackupLog>): void {
  const file = fileOf(dataDirectory);
  writeFileSync(`${file}.partial`, JSON.stringify({ ...readBackupLog(dataDirectory), ...changes }), { mode: 0o600 });
  renameSync(`${file}.partial`, file);
}

export function toLastBackup({ path, atMs, newestCommitAtMs, bytes }: Backup): LastBackup {
  return { path, atMs, recoveryPointAtMs: newestCommitAtMs, bytes };
}

function fileOf(dataDirectory: string): string {
  return join(dataDirectory, "backups.json");
}
