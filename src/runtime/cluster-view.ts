import { getTask, listTasks, toTask } from "../engine/restate/tasks.ts";
import { getTaskIdOfRun, listRuns } from "../engine/restate/runs.ts";
import { listSteps } from "../engine/restate/journal.ts";
import { listWaitsFor } from "../engine/restate/waits.ts";
import { listKnownWorkers, listWorkers } from "../engine/restate/workers.ts";
import type { PostgresDatabase } from "../db/postgres.ts";
import type { Task } from "../record/task.ts";
import { readLease } from "../store/postgres/leases.ts";
import { listAgentTasks } from "./agent-tasks.ts";
import { type OperatorDatabaseOptions, openOperatorDatabase } from "./cluster-schema.ts";
import { dutyLeaseName } from "./duty-lease.ts";
import { judgeTeam } from "./judge-team.ts";
import { manifestName, parseManifest } from "./manifest.ts";
import type { OperatorView } from "./operator-view.ts";
import { tellTrouble } from "./tell-trouble.ts";
import { watchClusterRecords } from "./watch-cluster-records.ts";

/** What an operator reads of a team on a cluster, whether workers run or not. @throws as `openOperatorDatabase` does */
export async function openClusterView(options: OperatorDatabaseOptions): Promise<OperatorView> {
  const { db, store } = await openOperatorDatabase(options);
  const manifest: OperatorView["manifest"] = async () => parseManifest(await store.meta.get(manifestName));
  const tasks: OperatorView["tasks"] = (filter) => listTasks(db, filter);
  return {
    store,
    manifest,
    tasks,
    task: (taskId) => readTask(db, taskId),
    taskOfRun: async (runId) => readTask(db, (await getTaskIdOfRun(db, runId)) ?? ""),
    runs: (taskId) => listRuns(db, taskId),
    steps: (runId) => listSteps(db, runId),
    waits: (reason) => listWaitsFor(db, reason),
    keeper: async () => {
      const lease = await readLease(db, dutyLeaseName);
      return lease === null ? null : { type: "worker", ...lease };
    },
    workers: () => listWorkers(db),
    knownWorkers: () => listKnownWorkers(db),
    // Other workers go on meanwhile, and another one beside them does no harm.
    supervisor: async () => null,
    diskUsedRatio: () => null,
    health: async (nowMs) => tellTrouble(await judgeTeam({ tasksOf: listAgentTasks({ list: tasks }), store }, await manifest(), nowMs), await listWorkers(db)),
    watchRecords: (look) => watchClusterRecords(db, options.clock, look),
    close: () => db.close(),
  };
}

async function readTask(db: PostgresDatabase, taskId: string): Promise<Task | null> {
  const stored = await getTask(db, taskId);
  return stored === null ? null : toTask(stored);
}
