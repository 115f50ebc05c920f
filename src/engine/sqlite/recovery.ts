import type { EngineAgent, RecoveryReport } from "../engine.ts";
import type { Change } from "./change.ts";
import { codeVersionOf } from "../code-version.ts";
import { computeRecovered, executedMsSince } from "../task-rules.ts";
import { countRecovery, listSteps } from "./journal.ts";
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
  const { counted, crashes, end } = computeRecovered(task, change.limits, ranOutOfMemory);
  if (task.runId !== null) countRecovery(change.db, task.runId);
  if (end === null) moveTask(change, counted, { status: "queued", activeMs: task.activeMs + executedMsSince(task.runId === null ? [] : listSteps(change.db, task.runId), task.statusSinceMs) }, { crashes });
  else endTask(change, counted, end);
  return end === null;
}
