/**
 * SQLite's write-ahead log as it stands in a file (https://sqlite.org/fileformat2.html#the_write_ahead_log): a header of 32 bytes, then frames of 24 bytes
 * and one page each. A frame counts when its salts are the header's and its checksum continues that of the frame before it; a commit is whole when its last
 * frame counts, which names the size of the database.
 */
export interface Wal {
  readonly pageSize: number;
  /** Two numbers that change each time the log begins anew. */
  readonly salt: string;
  /** The frames that count, up to the last one that ends a commit. */
  readonly frames: readonly Frame[];
}

export interface Frame {
  readonly page: number;
  readonly isCommit: boolean;
  /** Where it begins and ends in the file. */
  readonly start: number;
  readonly end: number;
}

export const walHeaderBytes = 32;
const frameHeaderBytes = 24;
const magics: Readonly<Record<number, "little" | "big">> = { 0x37_7f_06_82: "little", 0x37_7f_06_83: "big" };

/** Null when there is no log, or one whose header does not count: SQLite takes it for empty. */
export function parseWal(bytes: Buffer): Wal | null {
  if (bytes.length < walHeaderBytes) return null;
  const order = magics[bytes.readUInt32BE(0)];
  if (order === undefined) return null;
  const pageSize = bytes.readUInt32BE(8);
  const salt = bytes.toString("hex", 16, 24);
  let sum = checksum(bytes.subarray(0, 24), order, [0, 0]);
  if (sum[0] !== bytes.readUInt32BE(24) || sum[1] !== bytes.readUInt32BE(28)) return null;
  const frames: Frame[] = [];
  for (let start = walHeaderBytes; start + frameHeaderBytes + pageSize <= bytes.length; start += frameHeaderBytes + pageSize) {
    const end = start + frameHeaderBytes + pageSize;
    if (bytes.toString("hex", start + 8, start + 16) !== salt) break;
    sum = checksum(bytes.subarray(start, start + 8), order, sum);
    sum = checksum(bytes.subarray(start + frameHeaderBytes, end), order, sum);
    if (sum[0] !== bytes.readUInt32BE(start + 16) || sum[1] !== bytes.readUInt32BE(start + 20)) break;
    frames.push({ page: bytes.readUInt32BE(start), isCommit: bytes.readUInt32BE(start + 4) !== 0, start, end });
  }
  return { pageSize, salt, frames: frames.slice(0, frames.findLastIndex(({ isCommit }) => isCommit) + 1) };
}

type Sum = readonly [number, number];

function checksum(bytes: Buffer, order: "little" | "big", [from0, from1]: Sum): Sum {
  let [sum0, sum1] = [from0, from1];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    sum0 = (sum0 + (order === "little" ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)) + sum1) >>> 0;
    sum1 = (sum1 + (order === "little" ? bytes.readUInt32LE(at + 4) : bytes.readUInt32BE(at + 4)) + sum0) >>> 0;
  }
  return [sum0, sum1];
}
