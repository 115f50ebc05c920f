/** How long what a team leaves behind is kept, in milliseconds. */
export interface RetentionPolicy {
  /** The steps of a task, from its end. */
  readonly journalsMs: number;
  /** The same of a dead letter, on which nobody decided. */
  readonly deadLettersMs: number;
  /** Records, transcripts, notifications, what each call cost. */
  readonly recordsMs: number;
  /** What agents used, by the hour. */
  readonly rollupsMs: number;
  /** Agents whose tasks are needed for longer than `journalsMs`, and for how long. */
  readonly longer: ReadonlyMap<string, number>;
}

const dayMs = 86_400_000;

export const retentionDefaults = { journalsMs: 7 * dayMs, deadLettersMs: 90 * dayMs, recordsMs: 30 * dayMs, rollupsMs: 400 * dayMs } as const satisfies Partial<RetentionPolicy>;

/** What is forgotten of a team at one instant: what ended, or is, before these. */
export interface Forgettable {
  readonly endedBeforeMs: (agent: string) => number;
  readonly deadBeforeMs: number;
  readonly recordsBeforeMs: number;
  readonly rollupsBeforeMs: number;
  /** A key says itself when it expires. */
  readonly keysBeforeMs: number;
}

export function computeForgettable(policy: RetentionPolicy, nowMs: number): Forgettable {
  const { journalsMs, deadLettersMs, recordsMs, rollupsMs, longer } = policy;
  const journalsOf = (agent: string): number => Math.max(journalsMs, longer.get(agent) ?? 0);
  return {
    endedBeforeMs: (agent) => nowMs - journalsOf(agent),
    deadBeforeMs: nowMs - Math.max(deadLettersMs, journalsMs),
    recordsBeforeMs: nowMs - recordsMs,
    rollupsBeforeMs: nowMs - Math.max(rollupsMs, recordsMs),
    keysBeforeMs: nowMs,
  };
}

/** Free pages of a data file that are left to it: what comes next is written there. */
const freePagesMin = 256;
const freeRatioMax = 0.1;

/** How many free pages are to be given back to the disk; 0 when the file has no more of them than it soon fills. */
export function computePagesToRelease({ pages, free }: { readonly pages: number; readonly free: number }): number {
  return Math.max(0, free - Math.max(freePagesMin, Math.ceil(pages * freeRatioMax)));
}

/** Of a file system: over the first, no task is begun; at the second or below, they are again. */
export const diskDefaults = { stopRatio: 0.9, resumeRatio: 0.88 } as const;

/** Whether tasks may not begin, by how full the disk is and whether they might not so far. Between the two limits nothing changes, so that it does not go back and forth. */
export function computeDiskStop(wasStopped: boolean, usedRatio: number): boolean {
  return usedRatio >= diskDefaults.stopRatio || (wasStopped && usedRatio > diskDefaults.resumeRatio);
}
