import { formatDuration } from "../base/duration.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { OperatorView } from "../runtime/operator-view.ts";

/** How the team's processes fared, by what those after them recorded. */
export interface ProcessEnds {
  /** Within 24 h: killed, crashed, blocked or refused at their start. */
  readonly crashes: number;
  /** Within 24 h, for their memory. */
  readonly recycled: number;
  /** What the last of them did or suffered, and when; null when there was none. */
  readonly last: { readonly at: string; readonly reason: string } | null;
  /** True when it crashed so often within the last hour that it does not mend itself. */
  readonly isBad: boolean;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const crashesBad = 10;
/** More within a day are not counted further. */
const recordsMax = 10_000;

export async function findProcessEnds({ store }: Pick<OperatorView, "store">, nowMs: number): Promise<ProcessEnds> {
  const found = await store.records.query({ eventTypes: ["stop"], sinceMs: nowMs - dayMs, limit: recordsMax });
  const ends = found.map(({ record }) => record).filter(({ result }) => result !== "stopped");
  const crashes = ends.filter(({ result }) => result !== "recycled");
  const last = ends.at(-1);
  const lateCrashes = crashes.filter(({ timestamp }) => nowMs - Date.parse(timestamp) < hourMs);
  return {
    crashes: countOf(crashes),
    recycled: ends.length - crashes.length,
    last: last === undefined ? null : { at: last.timestamp, reason: last.reason ?? "" },
    isBad: countOf(lateCrashes) >= crashesBad,
  };
}

/** With those that a record only counts. */
function countOf(crashes: readonly LogRecord[]): number {
  return crashes.reduce((sum, { data: { skipped } }) => sum + 1 + (typeof skipped === "number" ? skipped : 0), 0);
}

/** "2 crashes of its process within 24 h, 1 recycled; the last, 5 min ago: the worker (process 12) was killed by SIGKILL." Null when there was none. */
export function describeProcessEnds({ crashes, recycled, last }: ProcessEnds, nowMs: number): string | null {
  if (last === null) return null;
  const crashText = crashes === 0 ? [] : [`${crashes} ${crashes === 1 ? "crash" : "crashes"} of its process`];
  const recycledText = recycled === 0 ? [] : [`${recycled} recycled for ${recycled === 1 ? "its" : "their"} memory`];
  return `${[...crashText, ...recycledText].join(", ")} within 24 h; the last, ${formatDuration(Math.max(0, nowMs - Date.parse(last.at)))} ago: ${last.reason}. See: longhaul logs --type stop`;
}
