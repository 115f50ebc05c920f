import { afterAll, describe, expect, it } from "vitest";
import type { SqlInput } from "../../db/sqlite.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { migrate } from "../../db/migration.ts";
import { engineMigrations } from "./engine-migrations.ts";
import { countQueued, listChildren, listInterrupted, listOverdue, listParkedByOtherVersion, listReady, listTasks, nextTaskInstantMs } from "./tasks.ts";
import { listDueWaits, listWaits, listWaitsForTask, nextWaitInstantMs } from "./waits.ts";

const db = SqliteDatabase.open(":memory:");
migrate(db, engineMigrations);
afterAll(() => db.close());

/** The plan of every statement that `query` runs. */
function plansOf(query: (db: SqliteDatabase) => unknown): readonly string[] {
  const statements: (readonly [string, readonly SqlInput[]])[] = [];
  const keep = (sql: string, ...parameters: readonly SqlInput[]): readonly [] => {
    statements.push([sql, parameters]);
    return [];
  };
  const keepOne = (sql: string, ...parameters: readonly SqlInput[]): void => void keep(sql, ...parameters);
  query({ all: keep, allValues: keep, get: keepOne, getValues: keepOne } as unknown as SqliteDatabase);
  return statements.flatMap(([sql, parameters]) => db.allOnce(`EXPLAIN QUERY PLAN ${sql}`, ...parameters).map((row) => String(row["detail"])));
}

/** What runs at every firing, start and judgement: none of it may read a whole table, or sort tasks that it does not return. */
const hotQueries: Readonly<Record<string, (db: SqliteDatabase) => unknown>> = {
  "tasks of all statuses": (tx) => listTasks(tx, {}),
  "open tasks of an agent": (tx) => listTasks(tx, { agent: "a", statuses: ["queued", "running", "waiting"] }),
  "tasks of an agent that other code could not go on with": (tx) => listParkedByOtherVersion(tx, "a", "1"),
  "ended tasks of an agent": (tx) => listTasks(tx, { agent: "a", statuses: ["done", "dead"] }),
  "open tasks": (tx) => listTasks(tx, { statuses: ["queued", "running", "waiting"] }),
  "the next task of an agent": (tx) => listReady(tx, "a", 1, 1, 1),
  "the length of a queue": (tx) => countQueued(tx, "a"),
  "the next instant of a task": (tx) => nextTaskInstantMs(tx, 1),
  "overdue tasks": (tx) => listOverdue(tx, 1, 1),
  "interrupted tasks": (tx) => listInterrupted(tx, 1),
  "children of a run": (tx) => listChildren(tx, "r"),
  "due waits": (tx) => listDueWaits(tx, 1, 1),
  "waits of a run": (tx) => listWaits(tx, 1),
  "waits for a task": (tx) => listWaitsForTask(tx, "t"),
  "the next instant of a wait": (tx) => nextWaitInstantMs(tx),
};

describe("the engine's queries", () => {
  it.each(Object.entries(hotQueries))("find %s by an index", (_, query) => {
    const plans = plansOf(query);

    expect(plans.filter((plan) => /\bSEARCH\b/.test(plan))).not.toEqual([]);
    expect(plans.filter((plan) => /\bSCAN lh_/.test(plan) && !plan.includes("USING"))).toEqual([]);
  });

  it("walk the newest tasks of an agent and a status without sorting the others", () => {
    const plans = plansOf((tx) => listTasks(tx, { agent: "a", statuses: ["done"], limit: 1 }));

    // The one sort that is left is that of the rows which are returned.
    expect(plans.filter((plan) => plan.includes("TEMP B-TREE"))).toHaveLength(1);
    expect(plans).toContain("SEARCH lh_task USING INDEX lh_task_agent_ended (agent=? AND status=?)");
  });

  it("look for the next start among the queued tasks only", () => {
    expect(plansOf((tx) => nextTaskInstantMs(tx, 1))[0]).toContain("lh_task_not_before");
    expect(plansOf((tx) => countQueued(tx, "a"))[0]).toContain("lh_task_queue");
  });
});
