import type { WorkerEnd } from "../../record/worker-end.ts";

/** Ends that are kept for the next worker to record. */
const endsMax = 20;

/** Adds an end to those that no worker has recorded yet. When they become too many, what is news is kept and so are the newest; the others are counted. */
export function rememberEnd(ends: readonly WorkerEnd[], end: Omit<WorkerEnd, "skipped">): readonly WorkerEnd[] {
  const all: readonly WorkerEnd[] = [...ends, { ...end, skipped: 0 }];
  if (all.length <= endsMax) return all;
  const index = Math.max(0, ends.findIndex(({ news }) => news === null));
  return all.flatMap((each, at) => (at === index ? [] : [at === index + 1 ? { ...each, skipped: each.skipped + countOf(all[index]) } : each]));
}

function countOf(end: WorkerEnd | undefined): number {
  return end === undefined ? 0 : end.skipped + (end.how === "recycled" ? 0 : 1);
}
