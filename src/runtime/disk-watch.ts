import type { Clock, Timer } from "../base/clock.ts";
import { fileSystemFacts } from "../base/machine.ts";
import { computeDiskStop, diskDefaults } from "../policy/retention.ts";
import type { Store } from "../store/store.ts";

export interface DiskWatchOptions {
  readonly clock: Clock;
  /** How full the file system is, from 0 to 1; null when nobody knows. */
  readonly usedRatio: () => number | null;
  /** Tasks are kept from beginning, or begin again. */
  readonly hold: (isHeld: boolean) => void;
  /** Tells people and records. */
  readonly tell: (stop: DiskStop | null, wasStoppedSinceMs: number | null) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Why no task begins. */
export interface DiskStop {
  readonly sinceMs: number;
  readonly usedRatio: number;
}

/**
 * Keeps tasks from beginning while the disk is nearly full, so that what is under way can still be written.
 *  K1 it looks when something was written, at least 10 s after the last look, and where nothing is written not at all; while it is stopped every 10 s;
 *  K2 it stops at 90 % and goes on at 88 %.
 */
export interface DiskWatch {
  /** Something was written, or could not be. */
  changed(): void;
  close(): Promise<void>;
}

const lookEveryMs = 10_000;

/** Looks at once. `earlier` is what the last process had come to. */
export function startDiskWatch(options: DiskWatchOptions, earlier: DiskStop | null): DiskWatch {
  return new LiveDiskWatch(options, earlier);
}

class LiveDiskWatch implements DiskWatch {
  readonly #options: DiskWatchOptions;
  #stop: DiskStop | null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  #isClosed = false;
  #telling: Promise<void> = Promise.resolve();

  constructor(options: DiskWatchOptions, earlier: DiskStop | null) {
    this.#options = options;
    this.#stop = earlier;
    options.hold(earlier !== null);
    this.#look();
  }

  changed(): void {
    if (this.#isClosed || this.#timer !== null) return;
    const { clock } = this.#options;
    const waitMs = this.#lookedAtMs + lookEveryMs - clock.monotonicMs();
    if (waitMs <= 0) this.#look();
    else this.#timer = clock.setTimer(waitMs, () => this.#look());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#telling;
  }

  #look(): void {
    const { clock, usedRatio, hold } = this.#options;
    this.#lookedAtMs = clock.monotonicMs();
    const used = usedRatio();
    const before = this.#stop;
    if (used !== null) {
      const isStopped = computeDiskStop(before !== null, used);
      if (isStopped !== (before !== null)) {
        this.#stop = isStopped ? { sinceMs: clock.now(), usedRatio: used } : null;
        hold(isStopped);
        this.#tell(this.#stop, before?.sinceMs ?? null);
      }
    }
    this.#timer = this.#stop === null ? null : clock.setTimer(lookEveryMs, () => this.#look());
  }

  #tell(stop: DiskStop | null, sinceMs: number | null): void {
    const { tell, onError } = this.#options;
    this.#telling = this.#telling.then(() => tell(stop, sinceMs)).catch(onError);
  }
}

/** The name in lh_meta of why no task begins; null while they do. */
export const diskStopName = "disk-stop";

export async function readDiskStop({ meta }: { readonly meta: Pick<Store["meta"], "get"> }): Promise<DiskStop | null> {
  return (await meta.get(diskStopName)) as DiskStop | null;
}

export function describeDiskStop({ usedRatio }: Pick<DiskStop, "usedRatio">): string {
  return `No task begins: the disk of the data directory is ${Math.round(usedRatio * 100)} % full. Next: make room on it. Tasks begin again by themselves at ${diskDefaults.resumeRatio * 100} %.`;
}

/** From 0 to 1; null when nobody knows. */
export function systemUsedRatio(directory: string): number | null {
  try {
    return fileSystemFacts(directory).usedRatio;
  } catch {
    // A file system that does not say how full it is is none that can be watched.
    return null;
  }
}
