import { LonghaulError } from "../../base/error.ts";
import { toFailure } from "../../record/failure.ts";
import type { EngineAgent, RecoveryReport } from "../engine.ts";
import type { Change } from "./change.ts";
import { codeVersionOf } from "./code-version.ts";
import { countRecovery } from "./journal.ts";
import { getTask, listInterrupted, listParkedByOtherVersion, type StoredTask } from "./tasks.ts";
import { endTask, moveTask } from "./transition.ts";
import type { Writer } from "./writer.ts";

/** Tasks that are recovered in one commit. */
const batchSize = 200;

/**
 * Queues what the last owner left executing, and counts the crash. A task that crashed too often is quarantined: dead(recovery-limit).
 * A crash in here leaves the rest for the next start; nothing is counted twice.
 */
export async function recover(writer: Writer, agents: readonly EngineAgent[], ranOutOfMemory: boolean): Promise<RecoveryReport> {
  const report = { resumed: 0, quarantined: 0 };
  for (;;) {
    const batch = await writer.persist((change) => recoverBatch(change, ranOutOfMemory));
    report.resumed += batch.resumed;
    report.quarantined += batch.quarantined;
    if (batch.resumed + batch.quarantined === 0) break;
  }
  await writer.persist((change) => {
    for (const agent of agents) {
      for (const task of listParkedByOtherVersion(change.db, agent.name, codeVersionOf(agent))) moveTask(change, task, { status: "queued" });
    }
  });
  return report;
}

function recoverBatch(change: Change, ranOutOfMemory: boolean): RecoveryReport {
  let resumed = 0;
  let quarantined = 0;
  for (const { id } of listInterrupted(change.db, batchSize)) {
    const task = getTask(change.db, id); // The end of a task before it in this batch may have canceled it.
    if (task?.status !== "running") continue;
    if (recoverTask(change, task, ranOutOfMemory)) resumed++;
    else quarantined++;
  }
  return { resumed, quarantined };
}

function recoverTask(change: Change, task: StoredTask, ranOutOfMemory: boolean): boolean {
  const { recoveriesMax, recoveriesWithoutProgressMax, outOfMemoryMax } = change.limits;
  // Exhausted memory is the work's own doing more often than a crash is: three of them weigh as much as eleven.
  const weight = ranOutOfMemory ? Math.ceil((recoveriesWithoutProgressMax + 1) / outOfMemoryMax) : 1;
  const counted: StoredTask = { ...task, recoveries: task.recoveries + 1, recoveriesWithoutProgress: task.recoveriesWithoutProgress + weight };
  if (task.runId !== null) countRecovery(change.db, task.runId);
  if (counted.recoveries <= recoveriesMax && counted.recoveriesWithoutProgress <= recoveriesWithoutProgressMax) {
    moveTask(change, counted, { status: "queued" });
    return true;
  }
  const last = ranOutOfMemory ? " In the last one the process ran out of memory." : "";
  const message = `Task ${task.id} was executing in ${counted.recoveries} crashes, too many of them without a completed step between; at most ${recoveriesMax} in all, ${recoveriesWithoutProgressMax} without progress and ${outOfMemoryMax - 1} of exhausted memory are allowed.${last} Find what kills the process, then restart the task.`;
  endTask(change, counted, { status: "dead", reason: "recovery-limit", failure: toFailure(new LonghaulError("ENGINE_RECOVERY_LIMIT", message)), evidence: { recoveries: counted.recoveries } });
  return false;
}
