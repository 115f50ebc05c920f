import { formatDuration } from "../../base/duration.ts";
import type { LostEffect, LostWork } from "../../runtime/data-facts.ts";
import { dataDirectory } from "../../runtime/data-directory.ts";
import { type Restored, restoreData } from "../../runtime/data-restore.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { formatBytes } from "../format-bytes.ts";
import { isoOf } from "../format-instant.ts";
import { createProgressBar } from "../progress-bar.ts";
import { placeOf } from "../typed-command.ts";

/** Puts a backup in the place of the data of a team that does not run. */
export async function runRestore(context: CommandContext, backup: string): Promise<ExitCode> {
  const { output, data, clock, random } = context;
  const directory = dataDirectory(data);
  const bar = createProgressBar("Restoring", output);
  let restored: Restored;
  try {
    restored = await restoreData({ directory, backup, clock, random, onProgress: bar.show });
  } finally {
    bar.end();
  }
  const { team, bytes, tasks, openTasks, newestCommitAtMs, replaced, clockBehindMs, lost } = restored;
  const recoveryPoint = isoOf(newestCommitAtMs);
  output.data({ data: directory.path, team, bytes, tasks, openTasks, recoveryPoint, replaced, clockBehindMs, lost });
  output.say(
    `${directory.database}: ${formatBytes(bytes)}, ${tasks} ${tasks === 1 ? "task" : "tasks"} of ${team}, ${openTasks} of them open.`,
    `Lost is what was done after ${recoveryPoint ?? "the beginning: the backup holds nothing"}.`,
    ...describeLost(lost),
    ...(replaced === null ? [] : [`What was here is in ${replaced}. Remove it when you need it no more.`]),
    ...(clockBehindMs === 0 ? [] : [`The clock of this machine is ${formatDuration(clockBehindMs)} behind what the data knows. Set it right and restore again before the team starts: which firings were due before the restore is told by it.`]),
    "Calls of once tools that may have been made after that time are not made again by themselves: the tool's reconcile decides, or you, with longhaul approve.",
    ...describeNext(placeOf(context)),
  );
  return 0;
}

/** Into a place of its own is how a restore is drilled, beside the team that runs. */
function describeNext(place: string): readonly string[] {
  const next = "Next: longhaul start team.ts";
  return place === "" ? [next] : [next, "In a drill, while the team runs elsewhere, do not: it would do the same work a second time. Only look: longhaul ps"];
}

const effectsShownMax = 20;

function describeLost(lost: LostWork | null): readonly string[] {
  if (lost === null) return [];
  const { tasks, ended, steps, effects } = lost;
  const shown = effects.slice(0, effectsShownMax).map(describeEffect);
  const more = effects.length > shown.length ? [`  and ${effects.length - shown.length} more: --json lists up to 1,000`] : [];
  return [`Of what was here, the backup lacks ${tasks} tasks, the end of ${ended} and ${steps} steps.`, ...(effects.length === 0 ? [] : [`It knows nothing of these calls of once tools:`, ...shown, ...more])];
}

function describeEffect({ tool, taskId, runId, isCompleted }: LostEffect): string {
  return `  ${tool ?? "a tool"}, task ${taskId ?? "?"}, run ${runId ?? "?"}: ${isCompleted ? "it was made" : "nobody knows whether it was made"}`;
}
