import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { formatDuration } from "../../base/duration.ts";
import { fileSystemFacts, type FileSystemFacts } from "../../base/machine.ts";
import { systemProcess } from "../../base/process.ts";
import { findDamage } from "../../db/damage.ts";
import { computeDiskStop, diskDefaults } from "../../policy/retention.ts";
import { readBackupLog } from "../../runtime/backup-log.ts";
import type { DataDirectory } from "../../runtime/data-directory.ts";
import { readDiskStop } from "../../runtime/disk-watch.ts";
import { countLeftChildren } from "../../runtime/left-children.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import { parseRestoreMark, restoreMarkName } from "../../runtime/restore-mark.ts";
import { formatBytes } from "../format-bytes.ts";
import { isoOf } from "../format-instant.ts";
import { findPresence, fullRatio } from "../team-presence.ts";
import { type Check, fail, ok, skipped, tryCheck, warn } from "./check.ts";

const freeBytesMin = 100_000_000;
const freeBytesWanted = 1_000_000_000;
/** It is cut back to 64 MB when it has been worked off. */
const logBytesMax = 268_435_456;
/** Larger files take minutes. */
const checkedBytesMax = 4_000_000_000;
/** What two clocks may differ by. */
const skewMsMax = 5_000;

/** A data directory and what stands in it. `openView` is called where there is a data file. */
export async function checkData(directory: DataDirectory, clock: Clock, openView: () => OperatorView): Promise<readonly Check[]> {
  const isThere = existsSync(directory.path);
  const place = [await tryCheck("data directory", "Give a directory that this user may write to, with --data.", () => checkPlace(directory, clock)), await tryCheck("disk", "Look at the disk.", () => checkDisk(directory, openView))];
  if (!isThere || !existsSync(directory.database)) return [...place, skipped("data file", `no team has run with ${directory.path} yet`, "longhaul start team.ts, or name another directory with --data")];
  const restore = "longhaul restore <backup>";
  return [
    ...place,
    await tryCheck("data file", restore, () => checkFile(directory)),
    await tryCheck("log", restore, () => checkLog(directory)),
    ...(await checkOpened(directory, clock, openView)),
    await tryCheck("left processes", "longhaul start team.ts", () => checkChildren(directory)),
    checkBackup(directory, clock.now()),
  ];
}

/** The path itself, or the folder that it will be made in. */
function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

/** Writes a file that nobody else can have laid there before, as a link to another: the folder may be everybody's. Returns when, by its file system's clock. */
function writeProbe(folder: string): number {
  const own = mkdtempSync(join(folder, ".longhaul-doctor-"));
  try {
    const probe = join(own, "probe");
    writeFileSync(probe, "", { flag: "wx" });
    return statSync(probe).mtimeMs;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function checkPlace({ path }: DataDirectory, clock: Clock): Check {
  const folder = nearest(path);
  const skewMs = writeProbe(folder) - clock.now();
  if (Math.abs(skewMs) > skewMsMax) return warn("data directory", `${path} can be written, and its file system's clock is ${formatDuration(Math.abs(skewMs))} ${skewMs > 0 ? "ahead" : "behind"}`, "Set both clocks by the same time server.");
  if (folder === path && (statSync(path).mode & 0o077) !== 0 && process.platform !== "win32") return warn("data directory", `${path} can be read by other users of this machine`, `chmod 700 ${path}`);
  return ok("data directory", `${path} can be written`);
}

const kinds: Readonly<Record<Exclude<FileSystemFacts["kind"], "disk">, readonly [what: string, next: string]>> = {
  network: ["on a network file system, where two machines can both take the file for theirs", "Keep the data on a disk of this machine, and let `backup` of the team copy it elsewhere."],
  memory: ["in memory, and gone after a boot", "Give a directory on a disk, with --data."],
  layer: ["in the container's own layer, and gone with the container", "Mount a volume, and name it with --data."],
};

async function checkDisk({ path, database }: DataDirectory, openView: () => OperatorView): Promise<Check> {
  const fileBytes = statSync(database, { throwIfNoEntry: false })?.size ?? null;
  return judgeDisk(fileSystemFacts(nearest(path)), { fileBytes: fileBytes ?? 0, isStopped: fileBytes !== null && (await isStopped(openView)) });
}

/** Whether the team has kept tasks from beginning. What cannot be opened is told by another check. */
async function isStopped(openView: () => OperatorView): Promise<boolean> {
  try {
    const view = openView();
    try {
      return (await readDiskStop(view.store)) !== null;
    } finally {
      await view.close();
    }
  } catch {
    return false;
  }
}

/** `isStopped`: what the team had come to. */
export function judgeDisk({ freeBytes, totalBytes, usedRatio, kind }: FileSystemFacts, { fileBytes, isStopped }: { readonly fileBytes: number; readonly isStopped: boolean }): Check {
  const found = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} are free`;
  const room = "Make room: a full disk stops all work, and loses none.";
  if (usedRatio !== null && computeDiskStop(isStopped, usedRatio)) {
    const { stopRatio, resumeRatio } = diskDefaults;
    return fail("disk", `${found}; it is ${Math.round(usedRatio * 100)} % full, and no task begins from ${stopRatio * 100} % on until it is at ${resumeRatio * 100} %`, "Make room on it. Tasks begin again by themselves.");
  }
  if (freeBytes < freeBytesMin) return fail("disk", found, room);
  if (kind !== "disk") return warn("disk", `${found}; ${kinds[kind][0]}`, kinds[kind][1]);
  return freeBytes < Math.max(freeBytesWanted, 2 * fileBytes) ? warn("disk", `${found}; the data file has ${formatBytes(fileBytes)}`, room) : ok("disk", found);
}

function checkFile({ database }: DataDirectory): Check {
  const { size } = statSync(database);
  if (size > checkedBytesMax) return ok("data file", `${formatBytes(size)}; not gone through, as it is large: longhaul backup does it`);
  const db = new DatabaseSync(database, { readOnly: true, timeout: 5_000 });
  try {
    const damage = findDamage(db, "quick_check");
    return damage === null ? ok("data file", `${formatBytes(size)}, whole`) : fail("data file", `${database} is damaged: ${damage}`, "Stop the team, then type: longhaul restore <backup>");
  } finally {
    db.close();
  }
}

function checkLog({ database }: DataDirectory): Check {
  const size = statSync(`${database}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  return size > logBytesMax ? warn("log", `longhaul.db-wal has ${formatBytes(size)}: some program reads the file and does not end`, "End programs that hold longhaul.db open; it is worked off then.") : ok("log", formatBytes(size));
}

/** What is in the file. One of another version is refused as a whole. */
async function checkOpened({ path }: DataDirectory, clock: Clock, openView: () => OperatorView): Promise<readonly Check[]> {
  let view: OperatorView;
  try {
    view = openView();
  } catch (error) {
    return [await tryCheck("format", "Use the version of longhaul that wrote it, or a newer one.", () => Promise.reject(error))];
  }
  try {
    return [
      ok("format", "known to this version"),
      await tryCheck("owner", "Look at the output of the team.", () => checkOwner(view, clock.now())),
      await tryCheck("clock of the data", "Set the clock.", () => checkNewest(view, clock.now())),
      await tryCheck("restore", "longhaul approve", () => checkRestore(view, path)),
    ];
  } finally {
    await view.close();
  }
}

async function checkOwner(view: OperatorView, nowMs: number): Promise<Check> {
  const { isRunning, isSilent, supervisor, text } = await findPresence(view, nowMs);
  if (supervisor !== null) return warn("owner", text, "Look at the output of the team, and mend what ends its process.");
  if (isSilent) return fail("owner", text, fullRatio(view.diskUsedRatio()) === null ? "Look at the team's own output. A second `longhaul start team.ts` takes over from one that hangs." : "Make room on the disk.");
  return isRunning ? ok("owner", text) : warn("owner", text, "longhaul start team.ts");
}

async function checkNewest({ store }: OperatorView, nowMs: number): Promise<Check> {
  const [newest] = await store.records.query({ limit: 1 });
  if (newest === undefined) return ok("clock of the data", "nothing was recorded yet");
  const aheadMs = Date.parse(newest.record.timestamp) - nowMs;
  const found = `the newest record is of ${newest.record.timestamp}`;
  return aheadMs > skewMsMax ? warn("clock of the data", `${found}, ${formatDuration(aheadMs)} in the future: the clock was set back`, "Set the clock. Schedules fire again when it has come to where they were.") : ok("clock of the data", found);
}

async function checkRestore(view: OperatorView, path: string): Promise<Check> {
  const mark = parseRestoreMark(await view.store.meta.get(restoreMarkName));
  if (mark === null) return ok("restore", "never restored from a backup");
  const waits = (await view.waits("unknown-effect")).length;
  const found = `restored at ${isoOf(mark.restoredAtMs)} from ${mark.from}; what was done after ${isoOf(mark.recoveryPointAtMs) ?? "the beginning"} is lost`;
  return waits === 0 ? ok("restore", found) : warn("restore", `${found}; ${waits} calls wait for a word`, `longhaul approve --data ${path}`);
}

function checkChildren({ children }: DataDirectory): Check {
  const left = countLeftChildren(children, systemProcess());
  return left === 0 ? ok("left processes", "none") : warn("left processes", `${left} MCP servers of a team that was killed still run`, "longhaul start team.ts, which ends them");
}

/** Without backups of the team's own. */
const handmadeAgeMsMax = 86_400_000;

export function checkBackup({ path }: Pick<DataDirectory, "path">, nowMs: number): Check {
  const { last, failing, everyMs } = readBackupLog(path);
  if (failing !== null) return fail("backup", `fails since ${isoOf(failing.sinceMs)}: ${failing.message}`, "Mend what the message names. The team tries again by itself; or type: longhaul backup <to>");
  const byTeam = "or let the team make them: backup: { to, every } in defineTeam";
  if (last === null) return warn("backup", "none was made of this directory", `longhaul backup <to>, ${byTeam}`);
  const ageMs = Math.max(0, nowMs - last.atMs);
  const found = `${formatDuration(ageMs)} old, recovery point ${isoOf(last.recoveryPointAtMs) ?? "none"}: ${last.path}`;
  if (!existsSync(last.path)) return fail("backup", `${last.path}, of ${isoOf(last.atMs)}, is not there any more`, "longhaul backup <to>");
  if (everyMs === null) return ageMs > handmadeAgeMsMax ? warn("backup", found, `longhaul backup <to>, ${byTeam}`) : ok("backup", found);
  return ageMs > 2 * everyMs ? fail("backup", `${found}; one is to be made every ${formatDuration(everyMs)}`, "longhaul start team.ts, when it does not run") : ok("backup", found);
}
