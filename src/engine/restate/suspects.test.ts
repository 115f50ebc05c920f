import { afterAll, beforeAll, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { seededRandom } from "../../base/random.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { migratePostgres } from "../../db/postgres-migration.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import { until } from "../engine-fixture.testsuite.ts";
import { defaultEngineLimits as limits } from "../limits.ts";
import type { BegunRun } from "./begin.ts";
import { restateEngineMigrations } from "./engine-migrations.ts";
import { Suspects } from "./suspects.ts";
import { getTask } from "./tasks.ts";
import { Writer } from "./writer.ts";

let db: PostgresDatabase;
let writer: Writer;
let runs = 0;
beforeAll(async () => {
  db = await PostgresDatabase.open({ url: await (await sharedPostgres()).createDatabase(), clock: systemClock, random: seededRandom(1) });
  await migratePostgres(db, restateEngineMigrations);
  writer = new Writer({ db, clock: systemClock, limits, apply: async () => undefined, observe: () => [], onCommitted: () => undefined, onFault: () => undefined, tell: async () => undefined });
});
afterAll(() => db.close());

/** A task that was in so many crashes that it is suspected, in its second attempt. `suspended`: it waits for its turn. */
async function createSuspect({ suspended }: { readonly suspended: boolean }): Promise<BegunRun> {
  const [id, runId] = [`t_${++runs}`, `r_${runs}`];
  await db.run(
    `INSERT INTO lh_task (id, agent, priority, not_before_at_ms, deadline_at_ms, depth, source, status, created_at_ms, status_since_ms, open_since_ms, run_id, recoveries, recoveries_without_progress, activation, attempt, suspended, input)
     VALUES ($1, 'a', 0, 0, 9e12, 0, 'test', 'running', 0, 0, 0, $2, 0, $3, 1, 2, $4, 'null')`,
    id, runId, limits.recoveriesIsolatedAbove + 1, suspended,
  );
  return { task: await getTask(db, id), runId, runSerial: runs } as BegunRun;
}

const endAll = (): Promise<unknown> => db.run("UPDATE lh_task SET status = 'done', ended_at_ms = 1");
const executing = async (): Promise<number> => (await db.all("SELECT 1 FROM lh_task WHERE status = 'running' AND NOT suspended")).length;
const never = (): AbortSignal => new AbortController().signal;

it("one that is suspected while a later one executes waits for that one", async () => {
  const earlier = await createSuspect({ suspended: true });
  const later = await createSuspect({ suspended: false });
  const suspects = new Suspects(writer, systemClock, limits);
  let hasTurn = false;
  const turn = suspects.turnOf(earlier, never).then((has) => (hasTurn = has));
  await sleep(systemClock, 300);
  expect(hasTurn).toBe(false);

  await db.run("UPDATE lh_task SET status = 'done', ended_at_ms = 1 WHERE id = $1", later.task.id);
  suspects.wake();

  expect(await turn).toBe(true);
  expect(await executing()).toBe(1);
  await endAll();
});

it("of many that ask at once in two processes, one executes at a time, and each has its turn", async () => {
  const processes = [new Suspects(writer, systemClock, limits), new Suspects(writer, systemClock, limits)];
  const waiting = await Promise.all(Array.from({ length: 6 }, () => createSuspect({ suspended: true })));
  const most: number[] = [];

  await Promise.all(waiting.map(async (begun, index) => {
    expect(await processes[index % 2]?.turnOf(begun, never)).toBe(true);
    most.push(await executing());
    await db.run("UPDATE lh_task SET status = 'done', ended_at_ms = 1 WHERE id = $1", begun.task.id);
    for (const each of processes) each.wake();
  }));

  expect(most).toEqual([1, 1, 1, 1, 1, 1]);
});

it("an attempt that is over takes no turn", async () => {
  const [blocking, begun] = [await createSuspect({ suspended: false }), await createSuspect({ suspended: true })];
  const over = new AbortController();
  const suspects = new Suspects(writer, systemClock, limits);
  const turn = suspects.turnOf(begun, () => over.signal).catch((error: unknown) => error);
  over.abort(new Error("given up"));
  await db.run("UPDATE lh_task SET status = 'done', ended_at_ms = 1 WHERE id = $1", blocking.task.id);

  expect(await turn).toEqual(new Error("given up"));

  expect(await executing()).toBe(0);
  await endAll();
});

it("a task that waits for long is kept once, however often it asks", async () => {
  const [, begun] = [await createSuspect({ suspended: false }), await createSuspect({ suspended: true })];
  const clock = new VirtualClock();
  const suspects = new Suspects(writer, clock, limits);
  const turn = suspects.turnOf(begun, never);
  for (let asked = 0; asked < 5; asked++) {
    const { timersSet } = clock;
    await until(() => suspects.waiting > 0, "it waits");
    await clock.advance(1_000);
    await until(() => clock.timersSet > timersSet, "it asks again");
  }
  await until(() => suspects.waiting > 0, "it waits");

  expect(suspects.waiting).toBe(1);

  suspects.close();
  expect(await turn).toBe(false);
  expect(suspects.waiting).toBe(0);
  await endAll();
});

it("nobody waits when the process stops", async () => {
  const [, begun] = [await createSuspect({ suspended: false }), await createSuspect({ suspended: true })];
  const suspects = new Suspects(writer, systemClock, limits);
  let has: boolean | null = null;
  void suspects.turnOf(begun, never).then((turn) => (has = turn));
  await sleep(systemClock, 50);

  suspects.close();

  await until(() => has !== null, "it is told");
  expect(has).toBe(false);
  await endAll();
});
