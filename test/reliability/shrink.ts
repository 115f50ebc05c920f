import { type FaultPlan, reducePlan } from "./fault-plan.ts";

export interface ShrunkPlan {
  readonly plan: FaultPlan;
  /** Places in the full plan of the faults that are left. */
  readonly kept: readonly number[];
  /** How many stories were told to find it. */
  readonly tries: number;
}

/** Tries that a shrinking takes at most. */
const triesMax = 200;

/**
 * The least of a failing plan that still fails: first without each group of faults that does not matter, in ever smaller groups down to single ones
 * (Zeller's ddmin), then with the horizon halved as long as it fails.
 */
export async function shrinkPlan(plan: FaultPlan, fails: (plan: FaultPlan) => Promise<boolean>): Promise<ShrunkPlan> {
  let tries = 0;
  const stillFails = async (kept: readonly number[], horizonMs: number): Promise<boolean> => tries++ < triesMax && (await fails(reducePlan(plan, kept, horizonMs)));
  let kept: readonly number[] = plan.faults.map((_, index) => index);
  for (let groups = 2; kept.length > 0; ) {
    const size = Math.ceil(kept.length / groups);
    const without = Array.from({ length: Math.ceil(kept.length / size) }, (_, group) => kept.filter((_fault, index) => Math.floor(index / size) !== group));
    const smaller = await firstOf(without, (candidate) => stillFails(candidate, plan.horizonMs));
    if (smaller !== null) {
      kept = smaller;
      groups = Math.max(2, groups - 1);
    } else if (size === 1) break;
    else groups = Math.min(kept.length, groups * 2);
  }
  let { horizonMs } = plan;
  for (let part = horizonMs / 2; part >= 100; part /= 2) {
    const shorter = Math.round(horizonMs - part);
    if (await stillFails(kept, shorter)) horizonMs = shorter;
  }
  return { plan: reducePlan(plan, kept, horizonMs), kept, tries };
}

async function firstOf<Item>(items: readonly Item[], holds: (item: Item) => Promise<boolean>): Promise<Item | null> {
  for (const item of items) if (await holds(item)) return item;
  return null;
}

/** The one command that tells this story again. */
export function commandFor(seed: number, kept?: readonly number[], horizonMs?: number): string {
  const faults = kept === undefined ? "" : ` --faults ${kept.length === 0 ? "none" : kept.join(",")}`;
  return `npm run reliability -- --seed ${seed}${faults}${horizonMs === undefined ? "" : ` --horizon ${horizonMs}`}`;
}
