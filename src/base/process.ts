import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

/** This process among the others of its machine, as an argument. */
export interface ProcessInfo {
  readonly pid: number;
  /** Tells two processes apart that had the same pid, in the system's own notation. */
  readonly startTime: string;
  /** Another text after each boot, the same while the machine runs, whatever its wall clock is set to. */
  readonly bootId: string;
  /** Where pids mean the same: containers of one machine have one each, and see nothing of each other's processes. */
  readonly pidNamespace: string;
  /** True while the process of this pid and start time exists. One that has ended but was not collected by its parent counts as dead. Knows only its own pid namespace. */
  isAlive(pid: number, startTime: string): boolean;
  /** Ends a process at once. One that is gone already is no error. */
  kill(pid: number): void;
  /** Blocks this whole process for so long. Only for before its work begins. */
  standStill(ms: number): void;
}

/** Besides, what is asked about other processes than rivals. */
export interface SystemProcess extends ProcessInfo {
  /** Start time of a live process, null when there is none. Knows only its own pid namespace. */
  startTimeOf(pid: number): string | null;
  /** Ends the process that leads a group, and all others of it, at once. A group that is gone already is no error. */
  killGroup(pid: number): void;
}

/** The process that runs this code. Reads `/proc` on Linux and asks `ps` elsewhere. */
export function systemProcess(): SystemProcess {
  return {
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? "unknown",
    bootId: bootIdOfMachine(),
    pidNamespace: ownPidNamespace(),
    isAlive: (pid, startTime) => startTimeOf(pid) === startTime,
    startTimeOf,
    kill: (pid) => sendKill(pid),
    killGroup: (pid) => sendKill(-pid),
    standStill: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, ms),
  };
}

function sendKill(target: number): void {
  try {
    process.kill(target, "SIGKILL");
  } catch (error) {
    // Gone already, or another user's: whoever asks has fenced it before and loses nothing.
    if (!isErrno(error, "ESRCH") && !isErrno(error, "EPERM")) throw error;
  }
}

function startTimeOf(pid: number): string | null {
  if (process.platform !== "linux") return startTimeFromPs(pid);
  try {
    return startTimeFromStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return null;
    throw error;
  }
}

/** Field 22 of `/proc/<pid>/stat`, null for a zombie. The name in field 2 may hold spaces and brackets, so counting begins after its last bracket. */
export function startTimeFromStat(stat: string): string | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const isDead = fields[0] === "Z" || fields[0] === "X";
  return isDead ? null : (fields[19] ?? null);
}

function startTimeFromPs(pid: number): string | null {
  try {
    const [state = "", ...started] = execFileSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], { encoding: "utf8" }).trim().split(/\s+/);
    return state === "" || state.startsWith("Z") ? null : started.join(" ");
  } catch {
    // ps ends with 1 when no such process exists.
    return null;
  }
}

function bootIdOfMachine(): string {
  try {
    if (process.platform === "linux") return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    // The time of the boot would not do: BSD systems move it when the wall clock is set.
    return execFileSync("sysctl", ["-n", process.platform === "darwin" ? "kern.bootsessionuuid" : "kern.boot_id"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    // Without a boot id, pid and start time still tell processes apart.
    return "unknown";
  }
}

function ownPidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    // Only Linux has more than one.
    return "the only one";
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
