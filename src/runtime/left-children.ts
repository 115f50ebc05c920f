import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SystemProcess } from "../base/process.ts";
import type { ChildLedger } from "../tool/child-ledger.ts";

/** A child process and its parent, as both can be recognised later. */
interface NotedChild {
  readonly pid: number;
  readonly startTime: string;
  readonly parentPid: number;
  readonly parentStartTime: string;
  readonly bootId: string;
  readonly pidNamespace: string;
}

/** What is noted by processes that cannot be seen, in containers that may be gone, is kept for 30 days. */
const forgottenAfterMs = 30 * 86_400_000;

/** Notes child processes in a folder, a file each, so that the next process of this team can end those that outlive this one. */
export function createChildLedger(folder: string, processInfo: SystemProcess): ChildLedger {
  const fileOf = (pid: number): string => join(folder, `${processInfo.pid}-${pid}.json`);
  return {
    began(pid) {
      const startTime = processInfo.startTimeOf(pid);
      if (startTime === null) return;
      const { bootId, pidNamespace } = processInfo;
      const child: NotedChild = { pid, startTime, parentPid: processInfo.pid, parentStartTime: processInfo.startTime, bootId, pidNamespace };
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        writeFileSync(fileOf(pid), JSON.stringify(child), { mode: 0o600 });
      } catch {
        // A full disk must not keep a server from being started; only a kill -9 of this process would leave it behind.
      }
    },
    ended: (pid) => rmSync(fileOf(pid), { force: true }),
  };
}

/** Ends, with their process groups, the noted children whose parent has ended. Returns how many there were. One of another boot, of a process that lives or of another container is left alone. */
export function endLeftChildren(folder: string, lookAtSystem: () => SystemProcess, nowMs: number): number {
  const files = listFiles(folder);
  // Looking costs a few processes on some systems, and mostly there are no children.
  if (files.length === 0) return 0;
  const processInfo = lookAtSystem();
  let ended = 0;
  for (const file of files) {
    const child = read(join(folder, file));
    const isForeign = child !== null && child.pidNamespace !== processInfo.pidNamespace;
    if (isForeign && nowMs - (statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0) < forgottenAfterMs) continue;
    if (!isForeign && child?.bootId === processInfo.bootId && processInfo.isAlive(child.parentPid, child.parentStartTime)) continue;
    if (!isForeign && child !== null && child.bootId === processInfo.bootId && processInfo.isAlive(child.pid, child.startTime)) {
      processInfo.killGroup(child.pid);
      ended++;
    }
    rmSync(join(folder, file), { force: true });
  }
  return ended;
}

/** How many noted children live on although their parent has ended. The next start of the team ends them. */
export function countLeftChildren(folder: string, processInfo: SystemProcess): number {
  const children = listFiles(folder).map((file) => read(join(folder, file)));
  return children.filter((child) => child !== null && child.bootId === processInfo.bootId && child.pidNamespace === processInfo.pidNamespace && processInfo.isAlive(child.pid, child.startTime) && !processInfo.isAlive(child.parentPid, child.parentStartTime)).length;
}

function listFiles(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch {
    // No child was ever noted, or the folder cannot be read: nothing is known of any.
    return [];
  }
}

/** Null for a file that was cut off while it was written. */
function read(file: string): NotedChild | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as NotedChild;
  } catch {
    return null;
  }
}
