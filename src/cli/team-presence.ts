import { formatDuration } from "../base/duration.ts";
import type { OperatorView } from "../runtime/operator-view.ts";

/** Whether a team runs on a data directory right now. */
export interface TeamPresence {
  readonly team: string;
  readonly isRunning: boolean;
  readonly pid: number | null;
  /** "release-watch runs (pid 4711)." */
  readonly text: string;
}

/** Looks who owns the data directory. An owner whose process is gone counts as not running: its work goes on at the next start. */
export async function findPresence(view: OperatorView, nowMs: number): Promise<TeamPresence> {
  const [manifest, owner] = await Promise.all([view.manifest(), view.owner()]);
  const team = manifest?.team ?? "The team";
  if (owner?.alive === true) return { team, isRunning: true, pid: owner.pid, text: `${team} runs (pid ${owner.pid}).` };
  const how = owner === null ? "was stopped" : `ended without saying so, less than ${formatDuration(Math.max(1000, nowMs - owner.renewedAtMs))} ago`;
  return { team, isRunning: false, pid: null, text: `${team} does not run: it ${how}. Its work goes on with \`longhaul start\`.` };
}
