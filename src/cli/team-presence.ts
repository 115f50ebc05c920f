import { formatDuration } from "../base/duration.ts";
import { computeDiskStop } from "../policy/retention.ts";
import type { DutyView, OperatorView, OwnerView } from "../runtime/operator-view.ts";
import type { RestartNote } from "../runtime/restart-note.ts";
import { printableLine } from "./printable.ts";

/** Whether a team runs on its data right now. */
export interface TeamPresence {
  readonly team: string;
  readonly isRunning: boolean;
  /** True when its process lives and has written nothing for longer than its lease; on a cluster, while nobody has the duties. */
  readonly isSilent: boolean;
  /** As this machine knows it: null when the team runs in another container, or on a cluster. */
  readonly pid: number | null;
  /** That starts the team again by itself, while it does not run; else null. */
  readonly supervisor: RestartNote | null;
  /** "release-watch runs (pid 4711)." */
  readonly text: string;
}

/** After the end of a lease, another worker may be about to take it. */
const handoverMsMax = 10_000;

/** Looks who owns the data directory, or has the duties. An owner whose process is gone counts as not running: its work goes on at the next start. */
export async function findPresence(view: Pick<OperatorView, "manifest" | "keeper" | "supervisor" | "diskUsedRatio" | "store">, nowMs: number): Promise<TeamPresence> {
  const [manifest, owner, supervisor] = await Promise.all([view.manifest(), view.keeper(), view.supervisor()]);
  const team = manifest?.team ?? "The team";
  if (owner?.type === "worker") return presenceOnCluster(team, owner);
  if (owner?.alive === true && !owner.isCommand) return presenceOf(team, owner, fullRatio(view.diskUsedRatio()));
  if (supervisor !== null) return { team, isRunning: false, isSilent: false, pid: null, supervisor, text: describeRestart(team, supervisor, nowMs) };
  // A command owns the data only while no team does.
  const how = owner === null || owner.isCommand ? await describeStop(view) : describeEnd(owner);
  return { team, isRunning: false, isSilent: false, pid: null, supervisor: null, text: `${team} does not run: it ${how}. Its work goes on with \`longhaul start team.ts\`.` };
}

/** How full the disk is, when it is so full that no task begins; else null. */
export function fullRatio(usedRatio: number | null): number | null {
  return usedRatio !== null && computeDiskStop(false, usedRatio) ? usedRatio : null;
}

function presenceOf(team: string, { pid, silentMs, leaseMs, isForeign }: OwnerView, fullOf: number | null): TeamPresence {
  const isSilent = silentMs > leaseMs;
  // Another process would write to the same disk.
  const why = fullOf === null ? `its process hangs, or could not write. Look at its own output; \`longhaul start team.ts\` beside it takes over from one that hangs.` : `its disk is ${Math.round(fullOf * 100)} % full. Make room on it: it goes on by itself.`;
  const silence = ` It has written nothing for ${formatDuration(silentMs)}: ${why}`;
  const where = isForeign ? `in another container, pid ${pid} there` : `pid ${pid}`;
  return { team, isRunning: true, isSilent, pid: isForeign ? null : pid, supervisor: null, text: `${team} runs (${where}).${isSilent ? silence : ""}` };
}

/** Why it stopped, where nobody asked it to. */
async function describeStop({ store }: Pick<OperatorView, "store">): Promise<string> {
  const [last] = await store.records.query({ eventTypes: ["start", "stop"], limit: 1 });
  const isStop = last !== undefined && last.record.event_type === "stop" && last.record.result === "stopped";
  return isStop && last.record.reason !== null ? `stopped, as ${last.record.reason}` : "was stopped";
}

function presenceOnCluster(team: string, { holder: name, heldMs }: DutyView): TeamPresence {
  const holder = printableLine(name);
  if (heldMs < -handoverMsMax) {
    const text = `${team} does not run: the last worker that had its duties, ${holder}, was not heard of for ${formatDuration(-heldMs)}. Its work goes on with \`longhaul start team.ts\` and the flags that its workers have (--restate-ingress, --restate-admin, --listen).`;
    return { team, isRunning: false, isSilent: false, pid: null, supervisor: null, text };
  }
  const text = heldMs > 0 ? `${team} runs: ${holder} has its duties.` : `${team} runs, and its duties go to another worker: ${holder}, which had them, is silent.`;
  return { team, isRunning: true, isSilent: heldMs <= 0, pid: null, supervisor: null, text };
}

/** Whoever starts another one takes the data from the supervisor, which then ends: nobody is told to. */
function describeRestart(team: string, { pid, restartAtMs, crashesWithinHour, last }: RestartNote, nowMs: number): string {
  const when = restartAtMs === null || restartAtMs <= nowMs ? "is starting it again" : `starts it again in ${formatDuration(restartAtMs - nowMs)}`;
  const crashes = crashesWithinHour === 0 ? "" : ` ${crashesWithinHour} ${crashesWithinHour === 1 ? "crash" : "crashes"} of its process within an hour.`;
  return `${team} does not run just now, and its supervisor (pid ${pid}) ${when}, by itself.${crashes} The last worker, ${formatDuration(Math.max(0, nowMs - last.atMs))} ago, ${last.reason}. See its own output, and \`longhaul logs --type stop\`.`;
}

function describeEnd({ silentMs, isForeign }: OwnerView): string {
  if (isForeign) return `ran in another container and was not heard of for ${formatDuration(silentMs)}`;
  return `ended without saying so, less than ${formatDuration(Math.max(1000, silentMs))} ago`;
}
