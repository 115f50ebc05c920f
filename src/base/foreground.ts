import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** True when the terminal's keyboard belongs to this process's group: not for a job in the background, which would be stopped for touching the terminal. */
export function isForeground(): boolean {
  try {
    const [group, foreground] = process.platform === "linux" ? groupsFromStat(readFileSync("/proc/self/stat", "utf8")) : groupsFromPs();
    return group !== undefined && group === foreground;
  } catch {
    // A system that cannot tell: the keyboard is left alone.
    return false;
  }
}

/** The group of the process and the one in the foreground of its terminal: fields 5 and 8. The name in field 2 may hold spaces and brackets. */
export function groupsFromStat(stat: string): readonly [string | undefined, string | undefined] {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return [fields[2], fields[5]];
}

function groupsFromPs(): readonly [string | undefined, string | undefined] {
  const [group, foreground] = execFileSync("ps", ["-o", "pgid=,tpgid=", "-p", String(process.pid)], { encoding: "utf8" }).trim().split(/\s+/);
  return [group, foreground];
}
