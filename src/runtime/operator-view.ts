import { systemProcess } from "../base/process.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import type { TaskFilter } from "../engine/engine.ts";
import { listSteps } from "../engine/sqlite/journal.ts";
import { readOwner } from "../engine/sqlite/owner.ts";
import { getTask, getTaskOfRun, listTasks, type StoredTask, toTask } from "../engine/sqlite/tasks.ts";
import { computeHealth } from "../judge/health.ts";
import type { HealthVerdict } from "../record/health.ts";
import type { CompletedStep } from "../record/step.ts";
import type { Task } from "../record/task.ts";
import { openOperatorStore, type OperatorStore } from "../store/sqlite/operator.ts";
import { dataDirectory as toDataDirectory } from "./data-directory.ts";
import { type Manifest, manifestName, parseManifest } from "./manifest.ts";
import { observeTeam } from "./observe-team.ts";

/** What an operator reads, whether the team runs or not. It never writes and never makes the team wait. */
export interface OperatorView {
  readonly store: OperatorStore;
  manifest(): Promise<Manifest | null>;
  tasks(filter: TaskFilter): Promise<readonly Task[]>;
  task(taskId: string): Promise<Task | null>;
  /** The task of a run, null when there is no such run. */
  taskOfRun(runId: string): Promise<Task | null>;
  steps(runId: string): Promise<readonly CompletedStep[]>;
  /** When the owner of the data directory last said that it lives; null when nobody owns it. */
  owner(): Promise<{ readonly pid: number; readonly renewedAtMs: number; readonly alive: boolean } | null>;
  health(nowMs: number): Promise<readonly HealthVerdict[]>;
  close(): void;
}

/**
 * Opens a data directory for reading.
 * @throws {STORE_NOT_FOUND} when no team ever ran there.
 */
export function openOperatorView(path: string): OperatorView {
  const directory = toDataDirectory(path);
  const store = openOperatorStore(directory.database);
  const db = SqliteDatabase.openReadOnly(directory.database);
  const processInfo = systemProcess();
  const manifest = async (): Promise<Manifest | null> => parseManifest(await store.meta.get(manifestName));
  const tasks = async (filter: TaskFilter): Promise<readonly Task[]> => listTasks(db, filter);
  return {
    store,
    manifest,
    tasks,
    task: async (taskId) => withoutEngineFields(getTask(db, taskId)),
    taskOfRun: async (runId) => withoutEngineFields(getTaskOfRun(db, runId)),
    steps: async (runId) => listSteps(db, runId),
    owner: async () => {
      const owner = readOwner(db);
      return owner === null || owner.pid === null ? null : { pid: owner.pid, renewedAtMs: owner.renewedAtMs, alive: processInfo.isAlive(owner.pid, owner.startTime) };
    },
    async health(nowMs) {
      const known = await manifest();
      if (known === null) return [];
      const agents = await observeTeam({ tasks: { list: tasks }, store }, known, nowMs);
      return agents.map(({ observation, expectation }) => computeHealth(observation, expectation, nowMs));
    },
    close() {
      store.close();
      db.close();
    },
  };
}

function withoutEngineFields(stored: StoredTask | null): Task | null {
  return stored === null ? null : toTask(stored);
}
