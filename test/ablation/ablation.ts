import { storyFolder } from "../reliability/story-folder.ts";
import { measure, type SideMeasures, sum } from "./measure.ts";
import { type AblationPlan, families, type Family, planOf } from "./plan.ts";
import type { SideName } from "./story-message.ts";
import { tell } from "./tell.ts";

export interface AblationOptions {
  readonly seed: number;
  /** Default 24. */
  readonly hours?: number;
  /** Families of faults. Default: all. */
  readonly only?: readonly Family[];
  /** After how long without anything accomplished a person helps. Default 2 hours. */
  readonly operatorMs?: number;
}

export interface Comparison {
  readonly seed: number;
  readonly plan: AblationPlan;
  readonly naive: SideMeasures;
  readonly longhaul: SideMeasures;
}

export const operatorMsDefault = 2 * 3_600_000;

/** The downtime of the naive side over Longhaul's that is asked for. */
export const ratioMin = 10;

/** Tells the story of a seed to both sides. */
export async function compare({ seed, hours = 24, only = families, operatorMs = operatorMsDefault }: AblationOptions): Promise<Comparison> {
  const plan = planOf(seed, { hours, only });
  const folder = storyFolder();
  const told = async (side: SideName): Promise<SideMeasures> => measure(plan, await tell({ side, seed, hours, only, operatorMs, folder: folder.path }));
  try {
    const [naive, longhaul] = await Promise.all([told("naive"), told("longhaul")]);
    return { seed, plan, naive, longhaul };
  } finally {
    folder.remove();
  }
}

/** How much longer the naive side was down, over all seeds, while the provider would have answered. */
export function downtimeRatio(comparisons: readonly Comparison[]): number {
  return sum(comparisons.map(({ naive }) => naive.team.avoidableMs)) / sum(comparisons.map(({ longhaul }) => longhaul.team.avoidableMs));
}

/** What Longhaul promises and broke in these stories; empty when all is well. */
export function findViolations(comparisons: readonly Comparison[]): readonly string[] {
  return comparisons.flatMap(({ seed, plan, longhaul }) => {
    const poisoned = plan.tasks.filter(({ isPoison }) => isPoison).length;
    return [
      ...longhaul.lost.map((id) => `seed ${seed}: Longhaul lost ${id}`),
      ...(longhaul.duplicated > 0 ? [`seed ${seed}: Longhaul delivered ${longhaul.duplicated} times more than once`] : []),
      ...(longhaul.wrong > 0 ? [`seed ${seed}: Longhaul accepted ${longhaul.wrong} wrong results`] : []),
      ...(longhaul.accomplished + poisoned < plan.tasks.length ? [`seed ${seed}: Longhaul accomplished ${longhaul.accomplished} of ${plan.tasks.length - poisoned} tasks that could be done: ${JSON.stringify(longhaul.unfinished)}`] : []),
    ];
  });
}
