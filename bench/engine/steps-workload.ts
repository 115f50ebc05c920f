import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { createIds } from "../../src/base/id.ts";
import { seededRandom } from "../../src/base/random.ts";
import { GroupCommit } from "../../src/db/group-commit.ts";
import { migrate } from "../../src/db/migration.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import type { Engine, EngineContext, RunEnd } from "../../src/engine/engine.ts";
import { createSqliteEngine } from "../../src/engine/sqlite/sqlite-engine.ts";
import { toLogRecord } from "../../src/record/log-record.ts";
import type { Write } from "../../src/record/write.ts";
import { dataMigrations } from "../../src/runtime/open-data.ts";
import { taskRecords } from "../../src/runtime/task-record.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite-store.ts";
import { assertDone } from "../done.ts";
import { Meter, type Used } from "./meter.ts";

export interface Workload {
  readonly stepsPerRun: number;
  /** Runs that are under way at once: whenever one ends, the next one is started. */
  readonly concurrency: number;
  /** One full record a step, and those that a team leaves of each task: queued, running, done. */
  readonly records: boolean;
}

export interface Executed extends Used {
  readonly steps: number;
  readonly commits: number;
  /** From the call that starts a run until its end is known, in milliseconds, of each run. */
  readonly runsMs: readonly number[];
}

/** A data file in a folder of its own. */
export function openFile(): { readonly db: SqliteDatabase; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-bench-"));
  const db = SqliteDatabase.open(join(folder, "data.db"));
  migrate(db, dataMigrations);
  return {
    db,
    remove() {
      db.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** The real engine and store over a file, fsync before acknowledge. Counts the commits that it makes. */
export function openEngine(db: SqliteDatabase, { records }: Pick<Workload, "records">): { readonly engine: Engine; readonly commits: () => number; readonly ids: (prefix: string) => string; readonly close: () => Promise<void> } {
  const clock = systemClock;
  const ids = createIds(clock, seededRandom("bench"));
  let commits = 0;
  const commit = new GroupCommit({ db, onOutcome: () => void commits++ });
  const store = createSqliteStore({ db, commit });
  const context = { team: "bench", versionOf: () => "9f2c1a", id: () => ids("e") };
  const engine = createSqliteEngine({ db, commit, clock, ids, apply: (connection, writes) => store.apply(connection, writes), observe: (change) => (records ? taskRecords(change, context) : []) });
  return {
    engine, ids,
    commits: () => commits,
    async close() {
      await engine.close();
      await commit.close();
    },
  };
}

/** Runs the workload until `msMin` have passed and what was begun has ended. Everything from the first start to the last end is measured. */
export async function runOnEngine(db: SqliteDatabase, workload: Workload, msMin: number): Promise<Executed> {
  const { stepsPerRun, concurrency, records } = workload;
  const clock = systemClock;
  const { engine, commits, ids, close } = openEngine(db, workload);
  let steps = 0;
  const execute = async (ctx: EngineContext): Promise<RunEnd> => {
    for (let step = 1; step <= stepsPerRun; step++) {
      await ctx.step({ kind: "code", name: "count" }, async ({ number, attempt }) => {
        steps++;
        return { outcome: { ok: true, value: number }, ...(records ? { writes: [recordOf(ctx, number, attempt, clock.now())] } : {}) };
      });
    }
    return { end: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null } };
  };
  await engine.run([{ name: "bench", version: "1", concurrency, queueMax: 100_000 }], execute);
  const runsMs: number[] = [];
  const before = commits();
  const meter = new Meter();
  const oneAfterAnother = async (): Promise<void> => {
    while (meter.elapsedMs() < msMin) {
      const beganAtMs = clock.monotonicMs();
      const nowMs = clock.now();
      const { taskId } = await engine.start({ id: ids("t"), agent: "bench", input: null, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + 3_600_000, depth: 0, source: "bench" });
      assertDone(await engine.result(taskId));
      runsMs.push(clock.monotonicMs() - beganAtMs);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, oneAfterAnother));
  const result = { ...meter.used(), steps, commits: commits() - before, runsMs };
  await close();
  return result;
}

/** A record as a tool call writes it. */
export function recordOf({ runId, task }: EngineContext, step: number, attempt: number, atMs: number): Write {
  return {
    type: "record",
    record: toLogRecord(`${runId}/${step}/${attempt}`, atMs, "bench", {
      event_type: "tool_call", agent_id: "bench", agent_version: "9f2c1a", task_id: task.id, run_id: runId, step, attempt, tool_name: "crunchbase_search",
      tool_args: { query: "AI startups" }, result: "success", duration_ms: 234, tokens_used: 450, cost_micro_usd: 1350, data: { hits: 3 },
    }),
  };
}
