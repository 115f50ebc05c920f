import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";
import { agentA, createGate, until } from "../engine-fixture.testsuite.ts";
import { defaultEngineLimits } from "../limits.ts";
import { beginnings, type BegunRun } from "./begin.ts";
import type { Activation } from "./claim.ts";
import { EngineRows } from "./engine-rows.testsuite.ts";
import { Writer } from "./writer.ts";

let db: PostgresDatabase;
let runs = 0;
beforeAll(async () => {
  ({ db } = await EngineRows.open());
});
afterAll(() => db.close());

async function createActivation(attempt: number): Promise<Activation> {
  const runId = `r_${++runs}`;
  await db.run("INSERT INTO lh_run (id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version) VALUES ($1, $2, 1, '1', 0, 0, 0, 1, 0)", runId, `t_${runs}`);
  await db.run(
    `INSERT INTO lh_task (id, agent, priority, not_before_at_ms, deadline_at_ms, depth, source, status, created_at_ms, status_since_ms, open_since_ms, run_id, recoveries, recoveries_without_progress, activation, attempt, code_version, input)
     VALUES ($1, 'a', 0, 0, 9e12, 0, 'test', 'running', 0, 0, 0, $2, 0, 0, 1, $3, CASE WHEN $3 > 0 THEN $4 END, 'null')`,
    `t_${runs}`, runId, attempt, "",
  );
  return { runId, activation: 1 };
}

/** One call of Restate. `beforeCommit` is what happens when it has begun the attempt and before that is committed, by the number of the try. */
function call(activation: Activation, name: string, beforeCommit: (attempt: number) => Promise<"lost" | "kept">): Promise<BegunRun | null> {
  let tries = 0;
  const writer = new Writer({
    db, clock: systemClock, limits: defaultEngineLimits,
    apply: async () => undefined, observe: () => [], onCommitted: () => undefined, onFault: () => undefined,
    async tell(tx) {
      // The connection breaks, and the server rolls back.
      if ((await beforeCommit(++tries)) === "lost") await tx.run("SELECT pg_terminate_backend(pg_backend_pid())");
    },
  });
  return beginnings.alone({ writer, activation, beginning: { agents: new Map([["a", agentA]]), called: new AbortController().signal, call: name } });
}

const waitsForLock = async (): Promise<boolean> => (await db.all("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length > 0;

it.each([[0], [1]])("two calls, of which one loses its beginning while the other one begins, have an attempt each (after %i)", async (before) => {
  const activation = await createActivation(before);
  const begun = createGate();
  const first = call(activation, "first", async (tried) => {
    if (tried > 1) return "kept";
    begun.open();
    await until(waitsForLock, "the other call waits");
    return "lost";
  });
  await begun.opened;
  const second = call(activation, "second", async () => "kept");

  const attempts = (await Promise.all([first, second])).map((run) => run?.task.attempt);

  expect(attempts.toSorted((a, b) => Number(a) - Number(b))).toEqual([before + 1, before + 2]);
});

it("a call whose beginning is committed and not answered has that attempt", async () => {
  const activation = await createActivation(0);
  const writer = new Writer({ db, clock: systemClock, limits: defaultEngineLimits, apply: async () => undefined, observe: () => [], onCommitted: () => undefined, onFault: () => undefined, tell: async () => undefined });
  const beginning = { agents: new Map([["a", agentA]]), called: new AbortController().signal, call: "one" };

  const [begun, again] = [await beginnings.alone({ writer, activation, beginning }), await beginnings.alone({ writer, activation, beginning })];

  expect([begun?.task.attempt, again?.task.attempt]).toEqual([1, 1]);
});
