import { type FSWatcher, watch } from "node:fs";
import type { Clock, Timer } from "../base/clock.ts";

/** To be closed before the data. */
export interface RecordWatch {
  close(): void;
}

/** Writes come in bursts; one look at the data answers a whole burst. */
const settleMs = 50;
/** Where the file system tells nothing, as some network mounts do, this is how late news may be. */
const fallbackMs = 5_000;

/** Calls `onChange` soon after the data file was written, which the file system tells, and every few seconds in any case. */
export function watchData(directory: string, clock: Clock, onChange: () => void): RecordWatch {
  let settle: Timer | null = null;
  let fallback: Timer | null = null;
  const look = (): void => {
    settle = null;
    fallback?.cancel();
    fallback = clock.setTimer(fallbackMs, look);
    onChange();
  };
  const watcher = tryWatch(directory, (file) => {
    // The shared-memory file changes when somebody reads.
    if (file !== null && !file.endsWith("-shm")) settle ??= clock.setTimer(settleMs, look);
  });
  fallback = clock.setTimer(fallbackMs, look);
  return {
    close() {
      watcher?.close();
      settle?.cancel();
      fallback?.cancel();
    },
  };
}

/** Null where the system has no watch left to give: the fallback follows slowly, which beats ending. */
function tryWatch(directory: string, onFile: (file: string | null) => void): FSWatcher | null {
  try {
    const watcher = watch(directory, (_event, file) => onFile(file));
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}
