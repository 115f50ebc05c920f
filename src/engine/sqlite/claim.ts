import { assert } from "../../base/assert.ts";
import type { EngineAgent } from "../engine.ts";
import type { Change } from "./change.ts";
import { codeVersionOf } from "../code-version.ts";
import { keyOf, numbersOf } from "../journaled-step.ts";
import { unreadable } from "../stuck-run.ts";
import { isSuspect } from "../task-rules.ts";
import { getRun, insertRun, listJournal, listSeed, setRunVersion } from "./journal.ts";
import { listReady } from "./tasks.ts";
import { moveTask } from "./transition.ts";
import { listWaits } from "./waits.ts";

/**
 * Gives up to `slots` runs of an agent a slot. A task without a run gets one. Of tasks that may be what kills the process, one executes at a time.
 * False when the queue held nothing else that is ready.
 */
export function claimReady(change: Change, agent: EngineAgent, slots: number, newId: (prefix: string) => string): boolean {
  const { recoveriesIsolatedAbove } = change.limits;
  let hasSuspect = false;
  const { tasks, hasMore } = listReady(change.db, agent.name, change.atMs, recoveriesIsolatedAbove, slots);
  for (const task of tasks) {
    if (isSuspect(task, change.limits)) {
      if (hasSuspect) continue;
      hasSuspect = true;
    }
    const runId = task.runId ?? newId("r");
    const isNew = task.runId === null;
    const run = isNew ? insertRun(change.db, { id: runId, taskId: task.id, agentVersion: agent.version, loopVersion: agent.loopVersion ?? 0, startedAtMs: change.atMs }) : getRun(change.db, runId);
    assert(run !== null, `run ${runId} of task ${task.id} is not in the file`);
    const earlierVersion = run.agentVersion === agent.version ? null : run.agentVersion;
    if (earlierVersion !== null) setRunVersion(change.db, runId, agent.version);
    const journal = isNew ? [] : listJournal(change.db, run.serial);
    const waits = isNew ? [] : listWaits(change.db, run.serial);
    const running = moveTask(change, task, { status: "running", runId, startedAtMs: task.startedAtMs ?? change.atMs }, earlierVersion === null ? {} : { earlierVersion });
    change.effects.claimed.push({
      task: running,
      runId,
      codeVersion: codeVersionOf(agent),
      mismatch: unreadable(run, agent),
      randomRunId: run.randomRunId,
      keyRunId: run.keyRunId,
      runSerial: run.serial,
      startedAtMs: run.startedAtMs,
      begunAtMs: run.begunAtMs,
      recoveries: run.recoveries,
      journal,
      numbers: numbersOf(journal, waits),
      waits: new Set(waits.map(keyOf)),
      seed: listSeed(change.db, task.id),
    });
  }
  return hasMore;
}
