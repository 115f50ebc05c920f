import { statfsSync } from "node:fs";
import { uptime } from "node:os";
import { getHeapStatistics } from "node:v8";

/** What the machine gives to this process, as far as it says. */
export interface MachineFacts {
  /** "24.21.0". */
  readonly nodeVersion: string;
  /** "linux x64". */
  readonly platform: string;
  /** Bytes that this process may still get. */
  readonly availableMemoryBytes: number;
  /** What a container gives at most; null: the machine's own. */
  readonly memoryLimitBytes: number | null;
  /** What the heap grows to until the process ends. */
  readonly heapLimitBytes: number;
  /** Files that this process may open at once; null: it is not limited, or not known. */
  readonly openFilesMax: number | null;
  /** When it booted, by its wall clock. */
  readonly bootedAtMs: number;
}

/** A limit above what any machine has is none. */
const noLimitBytes = 2 ** 53;

export function machineFacts(nowMs: number): MachineFacts {
  const limit = process.constrainedMemory();
  return {
    nodeVersion: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    availableMemoryBytes: process.availableMemory(),
    memoryLimitBytes: limit === 0 || limit >= noLimitBytes ? null : limit,
    heapLimitBytes: getHeapStatistics().heap_size_limit,
    openFilesMax: openFilesMax(),
    bootedAtMs: nowMs - uptime() * 1_000,
  };
}

function openFilesMax(): number | null {
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  const before = report.excludeNetwork;
  // It would look up the names of the peers of open connections.
  report.excludeNetwork = true;
  const { userLimits } = report.getReport() as { readonly userLimits?: { readonly open_files?: { readonly soft?: number | string } } };
  report.excludeNetwork = before;
  const soft = userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : null;
}

/** Of the file system that a path is on. */
export interface FileSystemFacts {
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** How full it is, from 0 to 1, as `df` says it: of what an ordinary user may fill. Null where it does not say. */
  readonly usedRatio: number | null;
  /** `network`: other machines may write it too, and locks may not hold. `memory`: gone after a boot. `layer`: of a container, and gone with it. */
  readonly kind: "disk" | "network" | "memory" | "layer";
}

/** What `statfs` of Linux says of those that are no disk of this machine. */
const kindOfType = new Map<number, FileSystemFacts["kind"]>([
  [0x69_69, "network"], [0x51_7b, "network"], [0xff_53_4d_42, "network"], [0xfe_53_4d_42, "network"], [0x01_02_19_97, "network"], [0x00_c3_64_00, "network"], [0x53_46_41_4f, "network"],
  [0x74_61_63_6f, "network"], [0x0b_d0_0b_d0, "network"], [0x01_16_19_70, "network"],
  [0x01_02_19_94, "memory"], [0x85_84_58_f6, "memory"],
  [0x79_4c_76_30, "layer"],
]);

export function fileSystemFacts(path: string): FileSystemFacts {
  const { type, bsize, bavail, bfree, blocks } = statfsSync(path);
  const used = blocks - bfree;
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, usedRatio: used + bavail === 0 ? null : used / (used + bavail), kind: (process.platform === "linux" ? kindOfType.get(type) : undefined) ?? "disk" };
}
