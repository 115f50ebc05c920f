import { statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";

/** What the thread is asked to do, and what it answers. */
export interface CopyOrder {
  readonly from: string;
  readonly to: string;
  /** Statements that the copy alone is changed by, before it is checked. */
  readonly changes: readonly string[];
  /** `quick_check` leaves out whether indexes agree with their tables, and takes a tenth of the time. */
  readonly check: "quick_check" | "integrity_check";
}
export type CopyAnswer =
  | { readonly type: "total"; readonly bytes: number }
  | { readonly type: "done"; readonly bytes: number }
  /** `errcode` is SQLite's, or that the check found something; null where something else failed. */
  | { readonly type: "failed"; readonly message: string; readonly errcode: number | "damaged" | null };

export interface CopyOptions extends CopyOrder {
  readonly clock: Clock;
  /** Called several times a second, from 0 to 1. */
  readonly onProgress?: (ratio: number) => void;
}

/** From source the thread runs source. */
const isSource = import.meta.url.endsWith(".ts");
const lookMs = 200;

/**
 * A consistent copy of a data file in one file of its own, compact, checked and on disk, while another connection or process writes to it. It is made in a
 * thread: this one, and the writer, go on. `to` must be empty or not exist. Resolves with its size in bytes.
 * @throws {BACKUP_FAILED} Whatever is at `to` then is no copy.
 */
export async function copyDatabase({ from, to, changes, check, clock, onProgress }: CopyOptions): Promise<number> {
  const worker = new Worker(new URL(`./copy-thread.${isSource ? "ts" : "js"}`, import.meta.url), {
    workerData: { from, to, changes, check } satisfies CopyOrder,
    env: {},
    ...(isSource ? { execArgv: ["--conditions=longhaul-source"] } : {}),
  });
  let totalBytes = 0;
  const look = (): void => {
    if (totalBytes > 0) onProgress?.(Math.min(1, (statSync(to, { throwIfNoEntry: false })?.size ?? 0) / totalBytes));
    timer = clock.setTimer(lookMs, look);
  };
  let timer = clock.setTimer(lookMs, look);
  try {
    return await new Promise<number>((resolve, reject) => {
      worker.on("message", (answer: CopyAnswer) => {
        if (answer.type === "total") totalBytes = answer.bytes;
        else if (answer.type === "done") resolve(answer.bytes);
        else reject(failed(from, to, answer.message, answer.errcode));
      });
      worker.on("error", (error) => reject(failed(from, to, error.message, null, error)));
      worker.on("exit", (code) => reject(failed(from, to, `its thread ended with ${code}`, null)));
    });
  } finally {
    timer.cancel();
    await worker.terminate();
  }
}

/** What SQLite's primary result codes ask for. */
const remedies: Readonly<Record<number, string>> = {
  8: "Give a place that this user may write to.",
  10: "The disk failed: look at the system's log.",
  11: "The data file itself is damaged: keep the last good backup, and type: longhaul doctor",
  13: "Make room on that disk.",
  14: "Give a place that this user may write to.",
};

function failed(from: string, to: string, message: string, errcode: number | "damaged" | null, cause?: unknown): LonghaulError {
  const remedy = remedies[typeof errcode === "number" ? errcode % 256 : 0] ?? "Type: longhaul doctor";
  return new LonghaulError("BACKUP_FAILED", `${from} could not be copied to ${to}: ${message}. ${remedy}`, { details: { from, to, errcode }, ...(cause === undefined ? {} : { cause }) });
}
