import { LonghaulError } from "../../base/error.ts";
import type { NearLimit } from "../engine.ts";
import type { RunIds } from "./journal.ts";
import { getTask, toTask } from "./tasks.ts";
import type { Writer } from "./writer.ts";

/** Of a limit of a run, from which on it is announced. */
export const nearLimitRatio = 0.8;

/** Tells the observer that a run comes near a limit. Nothing is told when the task does not execute the run any more. */
export async function announceNearLimit(writer: Writer, { taskId, runId }: RunIds, nearLimit: NearLimit): Promise<void> {
  await writer.persist((change) => {
    const task = getTask(change.db, taskId);
    if (task?.runId === runId && task.status === "running") change.write(change.observe({ task: toTask(task), from: task.status, atMs: change.atMs, nearLimit }));
  });
}

export function stepLimit({ runId }: RunIds, stepsPerRunMax: number): LonghaulError {
  return new LonghaulError("ENGINE_STEP_LIMIT", `Run ${runId} asked for more than ${stepsPerRunMax} steps. Split the work into child tasks.`, { details: { stepsPerRunMax } });
}

export function journalLimit({ runId }: RunIds, journalBytes: number, journalBytesPerRunMax: number): LonghaulError {
  const message = `What the steps of run ${runId} came to takes ${journalBytes} bytes; at most ${journalBytesPerRunMax} are kept for one run. Split the work into child tasks, or keep large results elsewhere and return a reference.`;
  return new LonghaulError("ENGINE_JOURNAL_LIMIT", message, { details: { journalBytes, journalBytesPerRunMax } });
}
