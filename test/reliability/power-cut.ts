import { integerBetween, type Random } from "../../src/base/random.ts";
import type { DiskImage } from "./disk-image.ts";
import { type Frame, parseWal, walHeaderBytes } from "./wal.ts";

/**
 * What a disk may hold after its power was cut during one COMMIT.
 *
 * The model: what was synced stays. Of what was written since, any prefix may be there, torn inside a frame too, with the bytes that were there before beyond
 * it, with zeros, or with the file's end; and as a disk may write in any order, any subset of the frames. SQLite syncs the header of a log that begins
 * anew before the first frame, and the log before it works it off: pages of the data file are in any subset, torn too, only with the whole log beside them.
 * Not in the model: disks that lie about a sync, bytes that rot after it, sectors that are harmed while a neighbour is written, directory entries that are lost.
 */
export interface PowerCut {
  readonly name: string;
  readonly image: DiskImage;
}

export interface CommitImages {
  /** What is known to be synced when the COMMIT begins. */
  readonly synced: DiskImage;
  readonly before: DiskImage;
  readonly after: DiskImage;
}

const sectorBytes = 512;
const subsetsPerCommit = 3;
/** Pages that a checkpoint writes are cut one by one up to this many; of more, as many are chosen by chance. */
const singlePagesMax = 8;

export function listPowerCuts(images: CommitImages, random: Random): readonly PowerCut[] {
  return [...listLogCuts(images, random), ...listCheckpointCuts(images, random)];
}

/** Cuts while the frames of the commit are written to the log. */
function listLogCuts({ synced, before, after }: CommitImages, random: Random): readonly PowerCut[] {
  const [old, now] = [parseWal(synced.wal), parseWal(after.wal)];
  if (now === null) return [];
  const isSameLog = old?.salt === now.salt;
  const firstNew = isSameLog ? old.frames.length : 0;
  const frames = now.frames.slice(firstNew);
  // Frames that were there before are not lost; a header that is written anew is synced before the first frame.
  const base = isSameLog ? synced.wal : Buffer.concat([after.wal.subarray(0, walHeaderBytes), synced.wal.subarray(walHeaderBytes)]);
  const start = isSameLog ? (old.frames.at(-1)?.end ?? walHeaderBytes) : walHeaderBytes;
  const cut = (name: string, wal: Buffer): PowerCut => ({ name, image: { db: before.db, wal } });
  const cuts: PowerCut[] = isSameLog ? [] : [cut("before the new log's header", synced.wal)];
  for (let count = 0; count <= frames.length; count++) {
    const end = frames[count - 1]?.end ?? start;
    const name = `after ${count} of ${frames.length} frames`;
    cuts.push(cut(`${name}, old bytes beyond`, overwrite(base, after.wal, end)), cut(`${name}, the file ends there`, after.wal.subarray(0, end)), cut(`${name}, zeros beyond`, zerosBeyond(after.wal, end)));
    const torn = frames[count];
    if (torn !== undefined) cuts.push(cut(`${name} and a part of the next`, overwrite(base, after.wal, end + sectorBytes * integerBetween(random, 1, Math.floor((torn.end - end) / sectorBytes)))));
  }
  for (let subset = 0; subset < subsetsPerCommit && frames.length > 1; subset++) {
    const written = frames.filter(() => random.next() < 0.5);
    cuts.push(cut(`with frames ${written.map((frame) => frames.indexOf(frame) + 1).join(", ")} of ${frames.length} only`, scatter(base, after.wal, written)));
  }
  return cuts;
}

/** Cuts while the log is worked off into the data file. */
function listCheckpointCuts({ before, after }: CommitImages, random: Random): readonly PowerCut[] {
  if (before.db.equals(after.db)) return [];
  const pageSize = parseWal(after.wal)?.pageSize ?? 4_096;
  const pages = Array.from({ length: Math.ceil(after.db.length / pageSize) }, (_, page) => page).filter((page) => !pageOf(before.db, page, pageSize).equals(pageOf(after.db, page, pageSize)));
  const cut = (name: string, written: readonly number[], tornAt = pageSize): PowerCut => ({ name: `while the log is worked off: ${name}`, image: { db: writePages(before.db, after.db, written, pageSize, tornAt), wal: after.wal } });
  const chosen = pages.length <= singlePagesMax ? pages : pages.filter(() => random.next() < singlePagesMax / pages.length);
  return [
    cut("nothing yet", []),
    cut(`all ${pages.length} pages`, pages),
    ...chosen.flatMap((page) => [cut(`page ${page + 1} alone`, [page]), cut(`all but page ${page + 1}`, pages.filter((other) => other !== page)), cut(`a part of page ${page + 1}`, [page], sectorBytes * integerBetween(random, 1, 7))]),
    cut("some pages", pages.filter(() => random.next() < 0.5)),
  ];
}

/** The new bytes up to `end`, then what was there before. */
function overwrite(old: Buffer, now: Buffer, end: number): Buffer {
  return Buffer.concat([now.subarray(0, end), old.subarray(Math.min(end, old.length))]);
}

function zerosBeyond(now: Buffer, end: number): Buffer {
  return Buffer.concat([now.subarray(0, end), Buffer.alloc(now.length - end)]);
}

function scatter(old: Buffer, now: Buffer, frames: readonly Frame[]): Buffer {
  const bytes = Buffer.alloc(Math.max(old.length, frames.at(-1)?.end ?? 0));
  old.copy(bytes);
  for (const { start, end } of frames) now.copy(bytes, start, start, end);
  return bytes;
}

function pageOf(bytes: Buffer, page: number, pageSize: number): Buffer {
  return bytes.subarray(page * pageSize, (page + 1) * pageSize);
}

function writePages(old: Buffer, now: Buffer, pages: readonly number[], pageSize: number, tornAt: number): Buffer {
  const length = Math.max(old.length, ...pages.map((page) => Math.min(now.length, (page + 1) * pageSize)));
  const bytes = Buffer.alloc(length);
  old.copy(bytes);
  for (const page of pages) now.copy(bytes, page * pageSize, page * pageSize, page * pageSize + tornAt);
  return bytes;
}
