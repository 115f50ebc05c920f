import type { Write } from "../../record/write.ts";
import type { TaskEnd } from "../../record/task.ts";
import { boundedTaskEnd } from "../bounded-json.ts";
import { isToBeCompensated } from "../compensation.ts";
import { stateOf, type AttemptIds } from "./attempt-state.ts";
import type { Change } from "./change.ts";
import { storeAllTold, type ToldSteps } from "./facts.ts";
import { listLeavingNothing } from "./runs.ts";
import { lockFreeTasks, toTask, type StoredTask } from "./tasks.ts";
import { moveTasks } from "./transition.ts";

/** A run whose code has returned. */
export interface Ending {
  readonly ids: AttemptIds;
  /** What code was told and is not stored yet. */
  readonly told: ToldSteps;
  readonly end: TaskEnd;
  readonly writes: readonly Write[];
}

interface Ended extends Ending {
  readonly task: StoredTask;
  readonly bounded: TaskEnd;
}

/** Ends those of which nothing is left that somebody else has to hear of. */
export async function endTogether<E extends Ending>(change: Change, endings: readonly E[]): Promise<ReadonlyMap<E, true>> {
  const tasks = await lockFreeTasks(change.db, endings.map(({ ids }) => ids.taskId));
  const nothing = await listLeavingNothing(change.db, [...tasks.values()]);
  const done = new Map<E, true>();
  const ended: Ended[] = [];
  for (const ending of endings) {
    const task = tasks.get(ending.ids.taskId);
    if (task === undefined) continue;
    const state = stateOf(task, ending.ids);
    const bounded = state === "current" && nothing.has(task.id) && !isToBeCompensated(task, ending.end) ? boundedOrNull(change, ending) : null;
    if (bounded !== null) ended.push({ ...ending, task, bounded });
    if (bounded !== null || state === "over") done.set(ending, true);
  }
  await storeAllTold(change, ended.map(({ told }) => told).toSorted((a, b) => a.run - b.run));
  const moved = await moveTasks(change, ended.map(({ task, bounded }) => ({ task, fields: { status: bounded.status, end: bounded, endedAtMs: change.atMs } })));
  for (const [index, { task, bounded }] of ended.entries()) change.effects.ended.push({ ...toTask(moved[index] ?? task), end: bounded });
  await change.write(ended.flatMap(({ writes }) => writes));
  return done;
}

function boundedOrNull({ limits }: Change, { end, ids }: Ending): TaskEnd | null {
  try {
    return boundedTaskEnd(end, ids.taskId, limits.valueBytesMax);
  } catch {
    return null; // It is told why when it is ended by itself.
  }
}
