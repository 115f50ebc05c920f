import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds of processor that this process, Restate and PostgreSQL have taken so far. */
export interface ProcessorTimes {
  readonly worker: number;
  readonly restate: number;
  readonly postgres: number;
}

/** Of a tick of /proc. */
const tickMs = 10;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly ms: number;
}

/** Of the servers that this process started; what their children had taken that have ended is in it. Nothing but the worker's where there is no /proc. */
export function processorTimes(): ProcessorTimes {
  const { user, system } = process.cpuUsage();
  const processes = new Map(listProcesses().map((each) => [each.pid, each]));
  const isOurs = (each: Process | undefined): boolean => each !== undefined && (each.parent === process.pid || isOurs(processes.get(each.parent)));
  const sum = (name: string): number => [...processes.values()].filter((each) => each.name.startsWith(name) && isOurs(each)).reduce((total, { ms }) => total + ms, 0);
  return { worker: (user + system) / 1000, restate: sum("restate"), postgres: sum("postgres") };
}

function listProcesses(): readonly Process[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => readProcess(Number(name)));
  } catch {
    return []; // Not Linux.
  }
}

function readProcess(pid: number): readonly Process[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const nameEnd = text.lastIndexOf(")");
    const [, parent, ...others] = text.slice(nameEnd + 2).split(" ");
    // utime, stime, cutime, cstime: see proc(5).
    const ticks = others.slice(9, 13).reduce((total, count) => total + Number(count), 0);
    return [{ pid, parent: Number(parent), name: text.slice(text.indexOf("(") + 1, nameEnd), ms: ticks * tickMs }];
  } catch {
    return []; // It has ended.
  }
}
