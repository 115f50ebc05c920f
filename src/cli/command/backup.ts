import { formatDuration } from "../../base/duration.ts";
import { messageOf } from "../../base/error.ts";
import { shellWord } from "../../base/shell-word.ts";
import { changeBackupLog, toLastBackup } from "../../runtime/backup-log.ts";
import { type Backup, backUpData } from "../../runtime/data-backup.ts";
import { dataDirectory } from "../../runtime/data-directory.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { formatBytes } from "../format-bytes.ts";
import { isoOf } from "../format-instant.ts";
import { createProgressBar } from "../progress-bar.ts";

/** Copies a data directory, whether its team runs or not. */
export async function runBackup(context: CommandContext, to: string, { isForced }: { readonly isForced: boolean }): Promise<ExitCode> {
  const { output, data, clock } = context;
  const directory = dataDirectory(data);
  const bar = createProgressBar("Copying", output);
  let backup: Backup;
  try {
    backup = await backUpData({ from: directory.database, to, isForced, clock, onProgress: bar.show });
  } finally {
    bar.end();
  }
  const { path, team, bytes, tasks, openTasks, newestCommitAtMs, atMs, tookMs } = backup;
  const unnoted = note(directory.path, backup);
  output.data({ path, team, bytes, tasks, openTasks, recoveryPoint: isoOf(newestCommitAtMs), at: isoOf(atMs), tookMs: Math.round(tookMs) });
  output.say(
    `${path}: ${formatBytes(bytes)}, ${tasks} ${tasks === 1 ? "task" : "tasks"} of ${team}, ${openTasks} of them open; made and checked in ${formatDuration(tookMs)}.`,
    `Recovery point: ${isoOf(newestCommitAtMs) ?? "none, nothing ever happened"}. What the team did later is not in it.`,
    `Restore it with: longhaul restore ${shellWord(path)}`,
  );
  if (unnoted !== null) output.warn(`That it was made could not be noted, so health and doctor do not know of it: ${unnoted}`);
  return 0;
}

/** For health and doctor. Whoever makes the backup may have no right to write there. Returns what refused it. */
function note(dataDirectory: string, backup: Backup): string | null {
  try {
    changeBackupLog(dataDirectory, { last: toLastBackup(backup) });
    return null;
  } catch (error) {
    return messageOf(error);
  }
}
