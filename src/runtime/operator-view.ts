import { type Clock, systemClock } from "../base/clock.ts";
import { systemProcess } from "../base/process.ts";
import { assertKnown } from "../db/migration.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import type { TaskFilter } from "../engine/engine.ts";
import type { LiveWorker } from "../engine/restate/team-address.ts";
import type { KnownWorker } from "../engine/restate/workers.ts";
import type { OpenWait } from "../record/open-wait.ts";
import { listSteps } from "../engine/sqlite/journal.ts";
import { lookAtOwner, readOwner } from "../engine/sqlite/owner-state.ts";
import { getTaskIdOfRun, listRuns } from "../engine/sqlite/runs.ts";
import { getTask, listTasks, type StoredTask, toTask } from "../engine/sqlite/tasks.ts";
import { listWaitsFor } from "../engine/sqlite/waits.ts";
import type { HealthVerdict } from "../record/health.ts";
import type { Run } from "../record/run.ts";
import type { CompletedStep } from "../record/step.ts";
import type { Task, WaitingReason } from "../record/task.ts";
import type { OperatorReading } from "../store/operator-reading.ts";
import { openOperatorStore, type OperatorStore } from "../store/sqlite/operator.ts";
import { listAgentTasks } from "./agent-tasks.ts";
import { dataDirectory as toDataDirectory } from "./data-directory.ts";
import { judgeTeam } from "./judge-team.ts";
import { systemUsedRatio } from "./disk-watch.ts";
import { type Manifest, manifestName, parseManifest } from "./manifest.ts";
import { dataMigrations } from "./open-data.ts";
import { readRestartNote } from "./read-restart-note.ts";
import type { RestartNote } from "./restart-note.ts";
import { type RecordWatch, watchData } from "./watch-data.ts";

/** What an operator reads, whether the team runs or not. It never writes and never makes the team wait. */
export interface OperatorView {
  readonly store: OperatorReading;
  manifest(): Promise<Manifest | null>;
  tasks(filter: TaskFilter): Promise<readonly Task[]>;
  task(taskId: string): Promise<Task | null>;
  /** The task of a run, also of one that it does not execute any more; null when there is no such run. */
  taskOfRun(runId: string): Promise<Task | null>;
  /** The runs of a task, first to last. */
  runs(taskId: string): Promise<readonly Run[]>;
  steps(runId: string): Promise<readonly CompletedStep[]>;
  /** What runs wait for, for this reason, oldest first. */
  waits(reason: WaitingReason): Promise<readonly OpenWait[]>;
  /** Who looks after the team: the owner of the data directory, or on a cluster the worker that has the duties. Null: nobody. */
  keeper(): Promise<OwnerView | DutyView | null>;
  /** The workers that live, in the order in which they came; none, where the data is one process's own. */
  workers(): Promise<readonly LiveWorker[]>;
  /** The same, and behind them those that are gone, 1,000 at most; null, where the data is one process's own. */
  knownWorkers(): Promise<readonly KnownWorker[] | null>;
  /** The supervisor that starts the team again, while it does; null: none does that is known of. */
  supervisor(): Promise<RestartNote | null>;
  /** How full the disk of the data is, from 0 to 1; null when nobody knows, and on a cluster. A process whose disk is full cannot write that it is. */
  diskUsedRatio(): number | null;
  health(nowMs: number): Promise<readonly HealthVerdict[]>;
  /** Calls `look` soon after a record was written, and now and then in any case. It finds out whether there is a new one, says so, and does not fail. */
  watchRecords(look: () => Promise<boolean>): RecordWatch;
  close(): Promise<void>;
}

/** Who owns a data directory, as far as this process can see. */
export interface OwnerView {
  readonly type: "owner";
  readonly pid: number;
  /** When it last said that it lives, by its wall clock. For people: nothing is decided by it. */
  readonly renewedAtMs: number;
  /** Since then, whatever happened to the wall clock. */
  readonly silentMs: number;
  /** Silent for longer, it can be replaced. */
  readonly leaseMs: number;
  /** False when its process has ended; of one in another container, when its lease has. */
  readonly alive: boolean;
  /** In another container: `pid` is the number that it has there. */
  readonly isForeign: boolean;
  /** A command that writes what a person asked for, while no team runs. */
  readonly isCommand: boolean;
}

/** Which worker has the duties of a team on a cluster. */
export interface DutyView {
  readonly type: "worker";
  /** Names the worker, for people. */
  readonly holder: string;
  /** How long its lease lasts yet; less than 0: for how long it has been over. */
  readonly heldMs: number;
}

/**
 * Opens a data directory for reading. `clock` is the machine's by default.
 * @throws {STORE_NOT_FOUND} when no team ever ran there. @throws {STORE_VERSION} when a newer version wrote the file.
 */
export function openOperatorView(path: string, clock: Clock = systemClock): OperatorView {
  const directory = toDataDirectory(path);
  const store = openOperatorStore(directory.database, clock);
  const db = openKnown(directory.database, store);
  const processInfo = systemProcess();
  const manifest = async (): Promise<Manifest | null> => parseManifest(await store.meta.get(manifestName));
  const tasks = async (filter: TaskFilter): Promise<readonly Task[]> => listTasks(db, filter);
  return {
    store,
    manifest,
    tasks,
    task: async (taskId) => withoutEngineFields(getTask(db, taskId)),
    taskOfRun: async (runId) => withoutEngineFields(getTask(db, getTaskIdOfRun(db, runId) ?? "")),
    runs: async (taskId) => listRuns(db, taskId),
    steps: async (runId) => listSteps(db, runId),
    waits: async (reason) => listWaitsFor(db, reason),
    keeper: async () => {
      const owner = readOwner(db);
      if (owner === null || owner.pid === null) return null;
      const { state, ageMs, isForeign } = lookAtOwner(owner, { clock, processInfo });
      return { type: "owner", pid: owner.pid, renewedAtMs: owner.renewedAtMs, silentMs: ageMs, leaseMs: owner.leaseMs, alive: state === "fresh" || (state === "silent" && !isForeign), isForeign, isCommand: owner.purpose === "command" };
    },
    workers: async () => [],
    knownWorkers: async () => null,
    supervisor: async () => readRestartNote(directory.supervisor, processInfo),
    diskUsedRatio: () => systemUsedRatio(directory.path),
    health: async (nowMs) => judgeTeam({ tasksOf: listAgentTasks({ list: tasks }), store }, await manifest(), nowMs),
    watchRecords: (look) => watchData(directory.path, clock, () => void look()),
    async close() {
      store.close();
      db.close();
    },
  };
}

/** A file of a newer version is refused as a whole: what is read of it by chance would be told as the truth. */
function openKnown(file: string, store: OperatorStore): SqliteDatabase {
  const db = SqliteDatabase.openReadOnly(file);
  try {
    assertKnown(db, dataMigrations);
    return db;
  } catch (error) {
    db.close();
    store.close();
    throw error;
  }
}

function withoutEngineFields(stored: StoredTask | null): Task | null {
  return stored === null ? null : toTask(stored);
}
