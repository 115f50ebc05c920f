import type { Clock } from "../base/clock.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import type { NewestRows } from "./data-facts.ts";
import type { Store } from "../store/store.ts";
import type { Alerting } from "./alerting.ts";

/** That a data file was put in place from a backup: what was done after the recovery point and before that is not in it, and may have happened all the same. */
export interface RestoreMark {
  /** What was due until then may have been done. The time of the restore; where the clock was behind, the time of the newest commit that was known. */
  readonly restoredAtMs: number;
  /** What the backup held. Work is told by it from work of after the restore: clocks of two machines differ, and are set. */
  readonly newest: NewestRows;
  /** The newest commit of the backup; null: it had none. */
  readonly recoveryPointAtMs: number | null;
  readonly from: string;
  /** Whether people were told by the team. */
  readonly isTold: boolean;
}

export const restoreMarkName = "restore";

export function parseRestoreMark(stored: Json): RestoreMark | null {
  return isJsonObject(stored) && typeof stored["restoredAtMs"] === "number" ? (stored as unknown as RestoreMark) : null;
}

export interface TellOfRestoreOptions {
  readonly team: string;
  readonly clock: Clock;
  readonly store: Pick<Store, "meta">;
  readonly alerting: Pick<Alerting, "enqueue">;
}

/** Tells people once that the team goes on with what a backup knows. */
export async function tellOfRestore({ team, clock, store, alerting }: TellOfRestoreOptions): Promise<void> {
  const mark = parseRestoreMark(await store.meta.get(restoreMarkName));
  if (mark === null || mark.isTold) return;
  const since = mark.recoveryPointAtMs === null ? "What was done before" : `What was done after ${new Date(mark.recoveryPointAtMs).toISOString()}`;
  const text = `${since} is lost. Work of then goes on or is done again; calls of once tools that may have been made already are not: their reconcile decides, or a person.\nNext: longhaul approve`;
  await alerting.enqueue({ id: `n_restored_${mark.restoredAtMs}`, atMs: clock.now(), team, agent: null, severity: "warning", title: `${team} was restored from a backup`, text, data: { from: mark.from, restoredAtMs: mark.restoredAtMs } });
  await store.meta.set(restoreMarkName, { ...mark, isTold: true } satisfies RestoreMark as unknown as Json);
}
