import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { until } from "../../base/fixture/until.ts";
import { createIds } from "../../base/id.ts";
import { seededRandom } from "../../base/random.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { migratePostgres } from "../../db/postgres-migration.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import type { EngineAgent, Execute } from "../engine.ts";
import { restateEngineMigrations } from "./engine-migrations.ts";
import { freePort } from "../../base/fixture/free-port.ts";
import { sharedRestate } from "./fixture/restate-server.ts";
import { createRestateEngine, type RestateEngine } from "./restate-engine.ts";

interface Worker {
  readonly engine: RestateEngine;
  readonly db: PostgresDatabase;
  readonly name: string;
}

const ids = createIds(systemClock, seededRandom("two workers"));
const agent: EngineAgent = { name: "a", version: "1", concurrency: 10, queueMax: 100 };
/** Two workers that never sweep. All runs are executed by the second one: Restate calls whoever made itself known last. */
let here: Worker;
let there: Worker;
/** A third one that does, often. */
let sweeping: Worker;
let url: string;
beforeAll(async () => {
  url = await (await sharedPostgres()).createDatabase();
  [here, there, sweeping] = [await open("here", null), await open("there", null), await open("sweeping", 200)];
  await here.engine.run([agent], executeAt(here));
  await there.engine.run([agent], executeAt(there));
});
afterAll(async () => {
  for (const { engine, db } of [here, there, sweeping]) {
    await engine.close();
    await db.close();
  }
});

async function open(name: string, sweepMs: number | null): Promise<Worker> {
  const db = await PostgresDatabase.open({ url, clock: systemClock, random: seededRandom(name) });
  await migratePostgres(db, restateEngineMigrations);
  const engine = createRestateEngine({
    team: `two${process.pid}`, db, ids, sweepMs,
    clock: systemClock,
    restate: await sharedRestate(),
    endpoint: { host: "127.0.0.1", port: await freePort() },
    apply: async () => undefined,
    observe: () => [],
    isDutyGiven: true,
    onFault: (error) => faults.push(error),
  });
  return { engine, db, name };
}

const faults: unknown[] = [];
/** Steps that were held and aborted: task, code, where. */
const aborted: string[] = [];
const begun = new Set<string>();

/** Naps, or holds a step until it is aborted, or ends, as its input says. */
function executeAt({ name }: Worker): Execute {
  return async (ctx) => {
    const { id, input } = ctx.task;
    if (input === "nap") await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 300 });
    if (input === "hold") {
      await ctx.step({ kind: "code", name: "hold" }, async ({ signal }) => {
        begun.add(id);
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
        aborted.push(`${id} ${(signal.reason as { readonly code: string }).code} ${name}`);
        return { outcome: { ok: true, value: null } };
      });
    }
    return { end: { status: "done", outcome: "unverified", output: name, evidence: null, reason: null } };
  };
}

async function start(input: string, deadlineMs = 600_000): Promise<string> {
  const task = { id: ids("t"), agent: "a", input, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: systemClock.now() + deadlineMs, depth: 0, source: "test" };
  return (await here.engine.start(task)).taskId;
}

async function hold(): Promise<string> {
  const taskId = await start("hold");
  await until("it executes", () => begun.has(taskId));
  return taskId;
}

/** Ends a task and tells nobody. */
async function endUnheard(taskId: string): Promise<void> {
  await there.db.run(`UPDATE lh_task SET status = 'canceled', ended_at_ms = 1, ended_as = '{"status":"canceled","reason":"unheard"}' WHERE id = $1`, taskId);
}

it("tells the result of a task that another worker ends", async () => {
  const taskId = await start("");

  expect(await here.engine.result(taskId)).toMatchObject({ status: "done", output: "there" });
});

it("aborts the step of a run that another worker cancels", async () => {
  const taskId = await hold();

  expect(await here.engine.cancel(taskId, "enough")).toBe(true);

  await until("the step is aborted", () => aborted.includes(`${taskId} TASK_CANCELED there`));
});

it("finds what it missed when its connection was cut and is there again", async () => {
  const taskId = await hold();
  const result = here.engine.result(taskId);
  await endUnheard(taskId);

  await there.db.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'");

  expect(await result).toEqual({ status: "canceled", reason: "unheard" });
  await until("the step is aborted", () => aborted.includes(`${taskId} TASK_CANCELED there`));
});

it("finds what nobody told it of by its sweep", async () => {
  const taskId = await hold();
  const result = sweeping.engine.result(taskId);

  await endUnheard(taskId);

  expect(await result).toEqual({ status: "canceled", reason: "unheard" });
});

it("has what falls due ended by the worker that has the duty, whoever caused it", async () => {
  await here.engine.duty.start();
  expect(await there.engine.result(await start("nap"))).toMatchObject({ status: "done", output: "there" });
  const late = await start("hold", 500);
  expect(await there.engine.result(late)).toMatchObject({ status: "dead", reason: "deadline" });
  await until("the step is aborted", () => !begun.has(late) || aborted.includes(`${late} TASK_DEADLINE there`));

  here.engine.duty.stop();
  await there.engine.duty.start();
  expect(await here.engine.result(await start("nap"))).toMatchObject({ status: "done" });
  there.engine.duty.stop();
  expect(faults).toEqual([]);
});
