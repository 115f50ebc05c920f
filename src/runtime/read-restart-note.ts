import { readFileSync } from "node:fs";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import type { ProcessInfo } from "../base/process.ts";
import type { NoteWriter, RestartNote } from "./restart-note.ts";

/** Null when there is none, when the supervisor that wrote it is gone, and when it is of another container: nobody can see there whether it is. */
export function readRestartNote(file: string, processInfo: ProcessInfo): RestartNote | null {
  const note = parse(file);
  if (note === null || note.bootId !== processInfo.bootId || note.pidNamespace !== processInfo.pidNamespace) return null;
  if (!processInfo.isAlive(note.pid, note.startTime)) return null;
  const { pid, restartAtMs, crashesWithinHour, last } = note;
  return { pid, restartAtMs, crashesWithinHour, last };
}

function parse(file: string): (RestartNote & NoteWriter) | null {
  try {
    const note = JSON.parse(readFileSync(file, "utf8")) as Json;
    return isJsonObject(note) ? (note as unknown as RestartNote & NoteWriter) : null;
  } catch {
    // There is none, or a full disk cut it off.
    return null;
  }
}

/**
 * A team that is started beside a supervisor that waits would take the data from under it: the next worker of that supervisor is refused, and it ends.
 * @throws {ENGINE_OWNED} when the supervisor is another one than this process's own.
 */
export function assertNoOtherSupervisor(file: string, processInfo: ProcessInfo, ownSupervisorPid: number): void {
  const note = readRestartNote(file, processInfo);
  if (note === null || note.pid === ownSupervisorPid) return;
  const message = `The team is supervised already: process ${note.pid} starts it again by itself; the last worker ${note.last.reason}. Leave it to that, or end it first: kill ${note.pid}`;
  throw new LonghaulError("ENGINE_OWNED", message, { details: { pid: note.pid } });
}
