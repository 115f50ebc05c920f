import { formatDuration } from "../base/duration.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import type { Store } from "../store/store.ts";
import type { Manifest } from "./manifest.ts";

export interface ForgottenTasks {
  readonly store: Pick<Store, "records" | "keys">;
  readonly manifest: () => Manifest | null | Promise<Manifest | null>;
}

/** What is said of a task or run that is not there any more, as far as its records, or the key that it holds, still name it; null when nothing does. */
export async function findForgotten({ store, manifest }: ForgottenTasks, id: string): Promise<LonghaulError | null> {
  const byTask = await store.records.query({ taskId: id, eventTypes: ["task"], limit: 1 });
  const [last] = byTask.length > 0 ? byTask : await store.records.query({ runId: id, eventTypes: ["task"], limit: 1 });
  const key = last === undefined ? await store.keys.heldBy(id) : null;
  if (last === undefined && key === null) return null;
  const retention = (await manifest())?.retention;
  const after = retention === undefined ? "" : ` after ${formatDuration(retention.journalsMs)} (retention.journals; ${formatDuration(retention.deadLettersMs)} of one that is dead)`;
  const what = last === undefined ? `Task ${id} held the idempotency key ${JSON.stringify(key)} and holds it yet: it is not begun a second time.` : `Task ${last.record.task_id ?? id} came to be ${last.record.result ?? "over"} at ${last.record.timestamp}.`;
  const next = last === undefined ? "" : ` What is recorded of it: longhaul logs --task ${last.record.task_id ?? id}`;
  return new LonghaulError("TASK_FORGOTTEN", `${what} Its journal was forgotten${after}.${next}`, { details: { taskId: last?.record.task_id ?? id, result: last?.record.result ?? null } });
}

/** What `work` comes to. @throws {TASK_FORGOTTEN} in place of TASK_UNKNOWN, where it is known that there was such a task. */
export async function explained<T>(tasks: ForgottenTasks, id: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isLonghaulError(error) || error.code !== "TASK_UNKNOWN") throw error;
    throw (await findForgotten(tasks, id)) ?? error;
  }
}
