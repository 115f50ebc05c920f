import { fork } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";

/** What the process is asked to do, and what it answers. */
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
  /** Ends the copy at once. */
  readonly signal?: AbortSignal;
}

/** From source the process runs source. */
const isSource = import.meta.url.endsWith(".ts");
const lookMs = 200;

/**
 * A consistent copy of a data file in one file of its own, compact, checked and on disk, while another connection or process writes to it. It is made in a
 * process of its own, which can be ended at any time: this one, and the writer, go on. `to` must be empty or not exist. Resolves with its size in bytes.
 * @throws {BACKUP_FAILED} Whatever is at `to` then is no copy.
 */
export async function copyDatabase({ from, to, changes, check, clock, onProgress, signal }: CopyOptions): Promise<number> {
  signal?.throwIfAborted();
  const child = fork(fileURLToPath(new URL(`./copy-process.${isSource ? "ts" : "js"}`, import.meta.url)), { env: {}, execArgv: isSource ? ["--conditions=longhaul-source"] : [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  let totalBytes = 0;
  const look = (): void => {
    if (totalBytes > 0) onProgress?.(Math.min(1, (statSync(to, { throwIfNoEntry: false })?.size ?? 0) / totalBytes));
    timer = clock.setTimer(lookMs, look);
  };
  let timer = clock.setTimer(lookMs, look);
  const end = (): void => void child.kill("SIGKILL");
  signal?.addEventListener("abort", end, { once: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      let answer: CopyAnswer | null = null;
      child.on("message", (message: CopyAnswer) => {
        answer = message;
        if (message.type === "total") totalBytes = message.bytes;
      });
      child.on("error", (error) => reject(failed(from, to, error.message, null, error)));
      child.on("close", (code, killedBy) => {
        if (signal?.aborted === true) reject(signal.reason as Error);
        else if (answer?.type === "done") resolve(answer.bytes);
        else if (answer?.type === "failed") reject(failed(from, to, answer.message, answer.errcode));
        else reject(failed(from, to, `its process ended with ${killedBy ?? code}`, null));
      });
      child.send({ from, to, changes, check } satisfies CopyOrder);
    });
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", end);
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
