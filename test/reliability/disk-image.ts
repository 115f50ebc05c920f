import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * What is on the disk of a data directory: the data file and its write-ahead log. The shared-memory index beside them is not kept: after a crash it is
 * built anew from the log.
 */
export interface DiskImage {
  readonly db: Buffer;
  readonly wal: Buffer;
}

const databaseName = "longhaul.db";

export function readImage(directory: string): DiskImage {
  return { db: readOr(join(directory, databaseName)), wal: readOr(join(directory, `${databaseName}-wal`)) };
}

export function writeImage(directory: string, { db, wal }: DiskImage): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(databasePath(directory), db);
  if (wal.length > 0) writeFileSync(join(directory, `${databaseName}-wal`), wal);
}

export function databasePath(directory: string): string {
  return join(directory, databaseName);
}

/** Names what is on the disk. */
export function hashOfImage({ db, wal }: DiskImage): string {
  return createHash("sha256").update(`${db.length}\n`).update(db).update(wal).digest("hex");
}

export function isSameImage(left: DiskImage, right: DiskImage): boolean {
  return left === right || (left.db.equals(right.db) && left.wal.equals(right.wal));
}

function readOr(path: string): Buffer {
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}
