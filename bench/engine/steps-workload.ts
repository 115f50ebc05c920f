import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { createIds } from "../../src/base/id.ts";
import { seededRandom } from "../../src/base/random.ts";
import { GroupCommit } from "../../src/db/group-commit.ts";
import { migrate } from "../../src/db/migration.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import type { EngineContext, RunEnd } from "../../src/engine/engine.ts";
import { createSqliteEngine } from "../../src/engine/sqlite/sqlite-engine.ts";
import { toLogRecord } from "../../src/record/log-record.ts";
import type { Write } from "../../src/record/write.ts";
import { dataMigrations } from "../../src/runtime/open-data.ts";
import { createSqliteStore } from "../../src/store/sqlite/sqlite-store.ts";

export interface Workload {
  readonly runs: number;
  readonly stepsPerRun: number;
  /** Runs that execute at once. */
  readonly concurrency: number;
  /** One full record beside each step. */
  readonly records: boolean;
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

/** Runs the workload on the real engine, fsync before acknowledge. The time is that from the first start to the last end; starting the tasks is not in it. */
export async function runOnEngine(db: SqliteDatabase, workload: Workload): Promise<{ readonly ms: number; readonly commits: number }> {
  const { runs, stepsPerRun, concurrency, records } = workload;
  const clock = systemClock;
  const ids = createIds(clock, seededRandom("bench"));
  let commits = 0;
  const commit = new GroupCommit({ db, onOutcome: () => void commits++ });
  const store = createSqliteStore({ db, commit });
  const engine = createSqliteEngine({ db, commit, clock, ids, apply: (connection, writes) => store.apply(connection, writes), observe: () => [] });
  let ended = 0;
  let beganAtMs = 0;
  let endedAtMs = 0;
  const execute = async (ctx: EngineContext): Promise<RunEnd> => {
    if (beganAtMs === 0) beganAtMs = clock.monotonicMs();
    for (let step = 1; step <= stepsPerRun; step++) {
      await ctx.step({ kind: "code", name: "count" }, async ({ number, attempt }) => ({
        outcome: { ok: true, value: number },
        ...(records ? { writes: [recordOf(ctx, number, attempt, clock.now())] } : {}),
      }));
    }
    if (++ended === runs) endedAtMs = clock.monotonicMs();
    return { end: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null } };
  };
  const nowMs = clock.now();
  const taskIds = await Promise.all(
    Array.from({ length: runs }, async () => {
      const task = { id: ids("t"), agent: "bench", input: null, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + 3_600_000, depth: 0, source: "bench" };
      return (await engine.start(task)).taskId;
    }),
  );
  commits = 0;
  await engine.run([{ name: "bench", version: "1", concurrency, queueMax: runs }], execute);
  await Promise.all(taskIds.map((taskId) => engine.result(taskId)));
  const result = { ms: endedAtMs - beganAtMs, commits };
  await engine.close();
  await commit.close();
  return result;
}

/** A record as a tool call writes it. */
function recordOf({ runId, task }: EngineContext, step: number, attempt: number, atMs: number): Write {
  return {
    type: "record",
    record: toLogRecord(`${runId}/${step}/${attempt}`, atMs, "bench", {
      event_type: "tool_call", agent_id: "bench", agent_version: "9f2c1a", task_id: task.id, run_id: runId, step, attempt, tool_name: "crunchbase_search",
      tool_args: { query: "AI startups" }, result: "success", duration_ms: 234, tokens_used: 450, cost_micro_usd: 1350, data: { hits: 3 },
    }),
  };
}
