import type { MachineFacts } from "../../base/machine.ts";
import { formatBytes } from "../format-bytes.ts";
import { type Check, fail, ok, warn } from "./check.ts";

const nodeMajorMin = 24;
const memoryBytesMin = 256_000_000;
/** Sockets, MCP servers and files of one team stay far below. */
const openFilesMin = 1_024;
/** Before this software was written: the clock was never set. */
const earliestMs = Date.UTC(2026, 0, 1);

export function checkMachine(facts: MachineFacts, nowMs: number): readonly Check[] {
  return [checkNode(facts), checkMemory(facts), checkOpenFiles(facts), checkClock(facts, nowMs)];
}

function checkNode({ nodeVersion, platform }: MachineFacts): Check {
  const found = `Node ${nodeVersion} on ${platform}`;
  return Number.parseInt(nodeVersion, 10) >= nodeMajorMin ? ok("node", found) : fail("node", found, `Install Node ${nodeMajorMin} or newer.`);
}

function checkMemory({ availableMemoryBytes, memoryLimitBytes, heapLimitBytes }: MachineFacts): Check {
  const found = `${formatBytes(availableMemoryBytes)} are free${memoryLimitBytes === null ? "" : ` of ${formatBytes(memoryLimitBytes)} that this container has`}; the heap may grow to ${formatBytes(heapLimitBytes)}`;
  if (availableMemoryBytes < memoryBytesMin) return warn("memory", found, "End other programs, or give the machine more memory: a team that runs out of it loses the steps under way.");
  if (memoryLimitBytes !== null && heapLimitBytes > memoryLimitBytes) return warn("memory", found, `The container is killed before the heap is full. Start the team with NODE_OPTIONS=--max-old-space-size=${Math.floor((memoryLimitBytes * 0.75) / 1_048_576)}`);
  return ok("memory", found);
}

function checkOpenFiles({ openFilesMax }: MachineFacts): Check {
  if (openFilesMax === null) return ok("open files", "not limited");
  const found = `at most ${openFilesMax} at once`;
  return openFilesMax < openFilesMin ? warn("open files", found, `Raise it before the team is started: ulimit -n ${openFilesMin * 4}`) : ok("open files", found);
}

function checkClock({ bootedAtMs }: MachineFacts, nowMs: number): Check {
  const found = `${new Date(nowMs).toISOString()}, booted ${new Date(bootedAtMs).toISOString()}`;
  return nowMs < earliestMs ? fail("clock", found, "Set the clock: schedules, budgets and time limits go by it.") : ok("clock", found);
}
