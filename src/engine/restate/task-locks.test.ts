import { afterAll, beforeAll, expect, it } from "vitest";
import type { Change } from "./change.ts";
import { EngineRows } from "./engine-rows.testsuite.ts";
import { lockForEnds, lockTasksOfRuns, lockTouchedByEnd } from "./task-locks.ts";
import { getTask, listOverdue, listReady, listReadyAgents, lockReady, markGivenBack } from "./tasks.ts";
import { listDueWaits } from "./waits.ts";

let rows: EngineRows;
const tasks = 100_000;

/** Each task called the five whose numbers begin at five times its own, and waits for them. */
beforeAll(async () => {
  rows = await EngineRows.open();
  await rows.db.exec(`
    INSERT INTO lh_task (id, agent, priority, not_before_at_ms, deadline_at_ms, depth, source, status, created_at_ms, status_since_ms, open_since_ms, run_id, parent_run_id, recoveries, recoveries_without_progress, input, ended_at_ms)
      SELECT 't' || n, 'a' || n % 5, 0, 0, 9e12::bigint, 0, 's', CASE n % 4 WHEN 0 THEN 'queued' WHEN 1 THEN 'done' ELSE 'waiting' END, n, n, n, 'r' || n, 'r' || n / 5, 0, 0, '1', CASE n % 4 WHEN 1 THEN 1 END FROM generate_series(1, ${tasks}) n;
    INSERT INTO lh_run (id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version) SELECT 'r' || n, 't' || n, 1, '1', 0, 0, 0, 1, 1 FROM generate_series(1, ${tasks}) n;
    INSERT INTO lh_wait (run, number, kind, name, occurrence, reason, since_at_ms, child_task_id) SELECT n / 5, n, 'child', n, 0, 'child', 0, 't' || n FROM generate_series(5, ${tasks}) n;
    ANALYZE`);
});
afterAll(() => rows.db.close());

it.each<[string, (change: Change) => Promise<unknown>]>([
  ["what the end of a task touches", (change) => lockForEnds(change, [`t${tasks / 5 - 1}`])],
  ["what came since", async (change) => {
    const task = await getTask(change.db, `t${tasks / 5 - 1}`);
    if (task !== null) await lockTouchedByEnd(change, task);
  }],
  ["tasks of runs", ({ db }) => lockTasksOfRuns(db, [7, 8, 9])],
  ["who is next in line", async ({ db }) => await lockReady(db, "a1", 5, await listReady(db, "a1", 5, 10))],
  ["what is overdue", ({ db }) => listOverdue(db, 9e12, { id: "t2", serial: 2, deadlineAtMs: 9e12 - 1 }, 10)],
  ["whose time has come", async ({ db }) => await listDueWaits(db, 9e12, ((await listDueWaits(db, 9e12, null, 2))[1] ?? null), 10)],
  ["who can begin at all", ({ db }) => listReadyAgents(db, 5)],
  ["what is given back", ({ db }) => markGivenBack(db, [{ runId: "r2", activation: 0 }, { runId: "r3", activation: 0 }])],
])("looks for %s in indexes, also with a plan that does not know the parameters", async (_, work) => {
  const readWhole = async (): Promise<number> => Number((await rows.db.get("SELECT sum(seq_tup_read) AS n FROM pg_stat_user_tables WHERE relname IN ('lh_task', 'lh_run', 'lh_wait')"))?.["n"]);
  const before = await readWhole();

  await rows.writer.write(async (change) => {
    await change.db.exec("SET LOCAL plan_cache_mode = force_generic_plan");
    await work(change);
    await change.db.get("SELECT pg_stat_force_next_flush()");
  });

  expect((await readWhole()) - before).toBe(0);
});
