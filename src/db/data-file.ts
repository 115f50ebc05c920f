import { closeSync, openSync, readSync } from "node:fs";

/** "lhdb" in ASCII: marks a file as Longhaul's. */
export const applicationId = 0x6c_68_64_62;
/** Where SQLite keeps it, in a header that begins with this text. */
const applicationIdAt = 68;
const headerBytes = 100;
const sqliteMagic = "SQLite format 3\0";

/** Whether a regular file may be what is left of a copy that SQLite did not finish: nothing, room without content, or a beginning of its format. */
export function isUnfinishedCopy(path: string): boolean {
  const beginning = readBeginning(path, sqliteMagic.length);
  return beginning.every((byte) => byte === 0) || beginning.toString("latin1") === sqliteMagic;
}

/** Whether a regular file is one of Longhaul's, told by its first bytes alone: also of one whose pages are damaged, and without SQLite, which leaves files beside what it opens. */
export function isDataFile(path: string): boolean {
  const header = readBeginning(path, headerBytes);
  return header.length === headerBytes && header.toString("latin1", 0, sqliteMagic.length) === sqliteMagic && header.readUInt32BE(applicationIdAt) === applicationId;
}

function readBeginning(path: string, bytes: number): Buffer {
  const file = openSync(path, "r");
  try {
    const beginning = Buffer.alloc(bytes);
    return beginning.subarray(0, readSync(file, beginning));
  } finally {
    closeSync(file);
  }
}
