import { formatDuration } from "../base/duration.ts";
import type { OperatorView } from "../runtime/operator-view.ts";

/** Whether a team runs on a data directory right now. */
export interface TeamPresence {
  readonly team: string;
  readonly isRunning: boolean;
  /** True when its process lives and has written nothing for longer than its lease. */
  readonly isSilent: boolean;
  readonly pid: number | null;
  /** "release-watch runs (pid 4711)." */
  readonly text: string;
}

/** The owner renews its lease every 5 s; one that did not for this long can write nothing. */
const silentMsMax = 20_000;

/** Looks who owns the data directory. An owner whose process is gone counts as not running: its work goes on at the next start. */
export async function findPresence(view: OperatorView, nowMs: number): Promise<TeamPresence> {
  const [manifest, owner] = await Promise.all([view.manifest(), view.owner()]);
  const team = manifest?.team ?? "The team";
  if (owner?.alive === true) {
    const silentMs = nowMs - owner.renewedAtMs;
    const isSilent = silentMs > silentMsMax;
    const silence = ` It has written nothing for ${formatDuration(silentMs)}: its disk is full, or its process hangs. Look at its own output; \`longhaul start\` beside it takes over from one that hangs.`;
    return { team, isRunning: true, isSilent, pid: owner.pid, text: `${team} runs (pid ${owner.pid}).${isSilent ? silence : ""}` };
  }
  const how = owner === null ? "was stopped" : `ended without saying so, less than ${formatDuration(Math.max(1000, nowMs - owner.renewedAtMs))} ago`;
  return { team, isRunning: false, isSilent: false, pid: null, text: `${team} does not run: it ${how}. Its work goes on with \`longhaul start\`.` };
}
