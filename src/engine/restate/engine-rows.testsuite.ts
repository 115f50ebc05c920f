import { systemClock } from "../../base/clock.ts";
import { LonghaulError } from "../../base/error.ts";
import { seededRandom } from "../../base/random.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { migratePostgres } from "../../db/postgres-migration.ts";
import { PostgresDatabase, type PostgresSession } from "../../db/postgres.ts";
import { toFailure } from "../../record/failure.ts";
import type { NewTask } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import { defaultEngineLimits } from "../limits.ts";
import { restateEngineMigrations } from "./engine-migrations.ts";
import { getRun, insertRuns, markParked } from "./runs.ts";
import { startTask } from "./start-task.ts";
import { getTask, saveTasks, type StoredTask } from "./tasks.ts";
import { insertWait } from "./waits.ts";
import { Writer } from "./writer.ts";

/** A task with a run, as it is in its tables. */
export interface Made {
  readonly id: string;
  readonly runId: string;
  readonly runSerial: number;
  readonly task: StoredTask;
}

export interface MadeAs extends Partial<Pick<StoredTask, "status" | "waitingReason" | "priority" | "deadlineAtMs" | "agent">> {
  /** Whose run called it. */
  readonly by?: Made;
}

const takeKey = "INSERT INTO test_key (key, task_id) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET task_id = excluded.task_id WHERE test_key.task_id = excluded.task_id";

/** A key belongs to whoever had it first. */
async function claim(db: PostgresSession, writes: readonly Write[]): Promise<void> {
  for (const write of writes) {
    if (write.type !== "key.claim" || (await db.run(takeKey, write.key, write.taskId)).changes > 0) continue;
    const holder = await db.get("SELECT task_id FROM test_key WHERE key = $1", write.key);
    throw new LonghaulError("TASK_KEY_TAKEN", "It is taken.", { details: { taskId: String(holder?.["task_id"]) } });
  }
}

/** The engine's tables in a database of their own, without Restate. */
export class EngineRows {
  readonly db: PostgresDatabase;
  readonly writer: Writer;
  readonly clock = new VirtualClock();
  #count = 0;

  private constructor(db: PostgresDatabase) {
    this.db = db;
    this.writer = new Writer({ db, clock: this.clock, limits: defaultEngineLimits, observe: () => [], tell: () => Promise.resolve(), onCommitted: () => undefined, onFault: () => undefined, apply: claim });
  }

  static async open(): Promise<EngineRows> {
    const db = await PostgresDatabase.open({ url: await (await sharedPostgres()).createDatabase(), connectionsMax: 6, clock: systemClock, random: seededRandom(1) });
    await migratePostgres(db, [...restateEngineMigrations, { name: "0002-test-keys", sql: "CREATE TABLE test_key (key TEXT PRIMARY KEY, task_id TEXT NOT NULL)" }]);
    return new EngineRows(db);
  }

  readonly newId = (prefix: string): string => `${prefix}${++this.#count}`;

  async empty(): Promise<void> {
    await this.db.exec("DELETE FROM lh_task; DELETE FROM lh_run; DELETE FROM lh_wait; DELETE FROM lh_journal; DELETE FROM lh_bell; DELETE FROM test_key");
  }

  async make({ by, priority = 0, agent = "a", deadlineAtMs = this.clock.now() + 86_400_000, ...as }: MadeAs = {}): Promise<Made> {
    const [id, runId] = [this.newId("t"), this.newId("r")];
    await this.writer.write(async (change) => {
      const task = { id, agent, input: null, key: null, priority, notBeforeAtMs: 0, deadlineAtMs, depth: 0, source: "test" };
      await startTask(change, task, { queueMax: () => 1_000, ...(by === undefined ? {} : { parentRunId: by.runId }) });
      await insertRuns(change.db, [{ id: runId, taskId: id }], { agentVersion: "1", loopVersion: 0, startedAtMs: 0 });
      await saveTasks(change.db, [{ ...((await getTask(change.db, id)) as StoredTask), status: "running", activation: 1, attempt: 1, runId, ...as }]);
      if (as.waitingReason === "code-mismatch") await markParked(change.db, runId, "0", toFailure(new Error("mismatch")));
    });
    return { id, runId, runSerial: (await getRun(this.db, runId))?.serial ?? 0, task: (await getTask(this.db, id)) as StoredTask };
  }

  /** A task of this key, which nobody has started. */
  newTask(key: string): NewTask {
    return { id: this.newId("t"), agent: "a", input: null, key, priority: 0, notBeforeAtMs: 0, deadlineAtMs: 1, depth: 0, source: "test" };
  }

  async hold(key: string, { id }: Made): Promise<void> {
    await this.db.run(takeKey, key, id);
  }

  /** Its run waits for the end of a task, or for an instant. */
  async waitFor({ runSerial }: Made, what: { readonly called: Made } | { readonly dueAtMs: number }): Promise<void> {
    const [childTaskId, dueAtMs] = "called" in what ? [what.called.id, null] : [null, what.dueAtMs];
    await insertWait(this.db, { run: runSerial, number: 1, kind: "child", name: this.newId("w"), occurrence: 0, reason: "child", sinceAtMs: 0, dueAtMs, signal: null, childTaskId, awakeable: "a" });
  }

  async statusOf({ id }: Made): Promise<string | undefined> {
    return (await getTask(this.db, id))?.status;
  }
}
