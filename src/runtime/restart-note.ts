import { renameSync, rmSync, writeFileSync } from "node:fs";
import type { ProcessInfo } from "../base/process.ts";

/** What a supervisor leaves in the data directory while none of its workers works and it starts another one: nobody owns the data meanwhile, and it is not free. */
export interface RestartNote {
  readonly pid: number;
  /** By the wall clock, when it starts the next worker; null: it has done so, and that does not work yet. */
  readonly restartAtMs: number | null;
  readonly crashesWithinHour: number;
  /** What the last worker did or suffered. */
  readonly last: { readonly atMs: number; readonly reason: string };
}

/** Tells whose note it is. */
export type NoteWriter = Pick<ProcessInfo, "pid" | "startTime" | "bootId" | "pidNamespace">;

export function writeRestartNote(file: string, note: Omit<RestartNote, "pid">, { pid, startTime, bootId, pidNamespace }: NoteWriter): void {
  const part = `${file}.part`;
  writeFileSync(part, JSON.stringify({ ...note, pid, startTime, bootId, pidNamespace }), { mode: 0o600 });
  renameSync(part, file);
}

export function removeRestartNote(file: string): void {
  rmSync(file, { force: true });
}
