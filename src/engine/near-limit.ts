import { formatDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";

/** Of a limit of a run, from which on it is announced. */
export const nearLimitRatio = 0.8;

export function stepLimit(runId: string, stepsPerRunMax: number): LonghaulError {
  return new LonghaulError("ENGINE_STEP_LIMIT", `Run ${runId} asked for more than ${stepsPerRunMax} steps. Split the work into child tasks.`, { details: { stepsPerRunMax } });
}

export function journalLimit(runId: string, journalBytes: number, journalBytesPerRunMax: number): LonghaulError {
  const message = `What the steps of run ${runId} came to takes ${journalBytes} bytes; at most ${journalBytesPerRunMax} are kept for one run. Split the work into child tasks, or keep large results elsewhere and return a reference.`;
  return new LonghaulError("ENGINE_JOURNAL_LIMIT", message, { details: { journalBytes, journalBytesPerRunMax } });
}

export function activeTimePassed(taskId: string, activeMsMax: number): LonghaulError {
  const message = `Task ${taskId} executed for ${formatDuration(activeMsMax)} without coming to its end; that is limits.activeTime of its agent, in which waits do not count. Raise it, or split the work into child tasks.`;
  return new LonghaulError("TASK_ACTIVE_TIME", message, { details: { limit: "limits.activeTime", activeMsMax } });
}
