import { closeSync, openSync, readSync } from "node:fs";

/** "lhdb" in ASCII: marks a file as Longhaul's. */
export const applicationId = 0x6c_68_64_62;
/** Where SQLite keeps it, in a header that begins with this text. */
const applicationIdAt = 68;
const sqliteMagic = "SQLite format 3\0";

/** Whether a regular file is one of Longhaul's, told by its first bytes alone: also of one whose pages are damaged, and without SQLite, which leaves files beside what it opens. */
export function isDataFile(path: string): boolean {
  const header = Buffer.alloc(100);
  const file = openSync(path, "r");
  try {
    return readSync(file, header) === header.length && header.toString("latin1", 0, sqliteMagic.length) === sqliteMagic && header.readUInt32BE(applicationIdAt) === applicationId;
  } finally {
    closeSync(file);
  }
}
