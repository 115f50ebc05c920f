import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { createIds } from "../../base/id.ts";
import { seededRandom } from "../../base/random.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { createLosingProxy, type LosingProxy } from "../../db/fixture/losing-proxy.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { PostgresDatabase } from "../../db/postgres.ts";
import type { NewTask } from "../../record/task.ts";
import type { StartOptions } from "../engine.ts";
import { advance, agentA, code, done, newTask, progress, quiet, record, runToEnd, until, value } from "../engine-fixture.testsuite.ts";
import { OperatorEngine } from "./operator-engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

/** The engine reaches PostgreSQL by this way only. */
let proxy: LosingProxy;
const way = async (url: string): Promise<string> => url.replace(String((await sharedPostgres()).port), String(proxy.port));
const suite = restateSuite({ way });
beforeAll(async () => {
  proxy = await createLosingProxy((await sharedPostgres()).port);
});
afterAll(async () => {
  await suite.destroy();
  await proxy.close();
});

describe("a transaction of durable code whose COMMIT took effect and whose answer was lost", () => {
  it.each([1, 2])("is done once, when so many answers are lost one after the other: %d", async (lost) => {
    const fixture = (await suite.create()) as RestateFixture;
    await fixture.observer.exec("CREATE TABLE payment (cents int)");
    let bodies = 0;
    await fixture.engine.run([agentA], async (ctx) =>
      done(await ctx.transaction({ kind: "code", name: "pay" }, async (tx) => {
        await tx.run("INSERT INTO payment (cents) VALUES (?)", 5);
        if (++bodies === 1) proxy.loseCommits((commit) => commit <= lost);
        return bodies;
      })),
    );

    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: 1 });
    expect(proxy.commits).toBeGreaterThan(lost);
    expect(await fixture.observer.all("SELECT cents FROM payment")).toEqual([{ cents: 5 }]);
    expect(bodies).toBe(1);
  });
});

describe("a run of which every second COMMIT is answered into nothing", () => {
  it("does each step once, and comes to its end", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const executed: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => {
      const { id, input, deadlineAtMs } = ctx.task;
      if (input === "child") return done("called");
      for (const name of ["one", "two"]) {
        await ctx.step({ kind: "code", name }, async () => {
          executed.push(name);
          return value(name, [{ type: "key.claim", key: name, taskId: id, atMs: 0, expiresAtMs: Number.MAX_SAFE_INTEGER }, record(name)]);
        });
      }
      await ctx.transaction({ kind: "code", name: "sql" }, async (tx) => (await tx.run("UPDATE test_key SET expires_at_ms = expires_at_ms - 1")).changes);
      const { status } = await ctx.child({ kind: "child", name: "child" }, newTask(fixture, { id: `${id}c`, input: "child", deadlineAtMs }));
      return { ...done(status), writes: [progress("ended")] };
    });

    proxy.loseCommits((commit) => commit % 2 === 0);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    const end = await fixture.engine.result(taskId);
    proxy.loseCommits(() => false);

    expect(end).toMatchObject({ status: "done", output: "done" });
    expect(executed).toEqual(["one", "two"]);
    expect(await fixture.recorded()).toEqual(["one", "two"]);
    expect(await fixture.applied()).toEqual(["ended"]);
    expect(await fixture.observer.all("SELECT key, expires_at_ms FROM test_key ORDER BY key")).toEqual(["one", "two"].map((key) => ({ key, expires_at_ms: Number.MAX_SAFE_INTEGER - 1 })));
    expect(fixture.faults).toEqual([]);
  });
});

describe("a task that is started, when its COMMIT took effect and the answer was lost", () => {
  it.each<[string, Partial<NewTask>, StartOptions]>([["without a key", {}, {}], ["with a key", { key: "lead 7" }, {}], ["with writes", {}, { writes: [progress("started")] }]])("is answered as made, once, %s", async (_, more, options) => {
    const fixture = (await suite.create()) as RestateFixture;
    const task = newTask(fixture, more);

    expect(await losing(fixture, () => fixture.engine.start(task, options))).toEqual({ taskId: task.id, created: true });

    expect(await fixture.engine.start(task, options)).toEqual({ taskId: task.id, created: false });
    expect(await losing(fixture, () => fixture.engine.start(task, options))).toEqual({ taskId: task.id, created: false });
    expect(await fixture.applied()).toEqual(options.writes === undefined ? [] : ["started"]);
    expect(await fixture.engine.list({})).toHaveLength(1);
  });

  it("is answered as made to one of those who ask for it at once", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const task = newTask(fixture);

    const answers = await losing(fixture, () => Promise.all([fixture.engine.start(task), fixture.engine.start(task), fixture.engine.start({ ...task })]));

    expect(answers.filter(({ created }) => created)).toHaveLength(1);
  });
});

describe("what a person asks of a task, when its COMMIT took effect and the answer was lost", () => {
  it("is answered as what it did: canceled, once", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await losing(fixture, () => fixture.engine.cancel(taskId, "enough"))).toBe(true);

    expect(await fixture.engine.get(taskId)).toMatchObject({ end: { status: "canceled", reason: "enough" } });
    expect(await fixture.engine.cancel(taskId, "again")).toBe(false);
    expect(await losing(fixture, () => fixture.engine.cancel(taskId, "again"), 0)).toBe(false);
  });

  it("is answered as what it did: restarted, with its writes, and begun by nobody's sweep", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    let runs = 0;
    await fixture.engine.run([agentA], async () => {
      if (++runs === 1) throw new Error("the first one dies");
      return done(runs);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "dead" });

    await losing(fixture, () => fixture.engine.restart(taskId, { writes: [progress("restarted")] }));

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: 2 });
    expect(await fixture.engine.runs(taskId)).toHaveLength(2);
    expect(await fixture.applied()).toEqual(["restarted"]);
  });

  it("is answered as what it did: skipped, once", async () => {
    const first = (await suite.create()) as RestateFixture;
    await first.engine.run([agentA], async (ctx) => {
      await code(ctx, "gone", () => null);
      return done((await ctx.wait({ name: "go", reason: "signal", signal: "go" })).by);
    });
    const { taskId } = await first.engine.start(newTask(first));
    await quiet(first);
    const runId = String((await first.engine.get(taskId))?.runId);
    const fixture = (await suite.crash(first)) as RestateFixture;
    await fixture.engine.run([{ ...agentA, version: "2" }], async (ctx) => done((await ctx.wait({ name: "go", reason: "signal", signal: "go" })).by));
    await fixture.engine.signal(runId, "go", null, "1");
    await advance(fixture, 6_000);
    expect(await fixture.engine.get(taskId)).toMatchObject({ waitingReason: "code-mismatch" });

    await losing(fixture, () => fixture.engine.skip(taskId, [progress("skipped")]));

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: "signal" });
    expect(await fixture.engine.runs(taskId)).toHaveLength(2);
    expect(await fixture.applied()).toEqual(["skipped"]);
  });

  it("is not done again to what became of the task meanwhile", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.engine.cancel(taskId, "at first");
    // Its own time: when it tries again is for the test to say.
    const clock = new VirtualClock();
    const random = seededRandom("operator");
    const db = await PostgresDatabase.open({ url: await way(String((await fixture.observer.get("SELECT 'postgres://longhaul@127.0.0.1:' || current_setting('port') || '/' || current_database() AS url"))?.["url"])), clock, random });
    const operator = new OperatorEngine({ db, clock: systemClock, ids: createIds(systemClock, random), apply: () => Promise.resolve(), observe: () => [], queueMax: () => 10 });
    const statusOf = async (): Promise<unknown> => (await fixture.observer.get("SELECT status FROM lh_task WHERE id = $1", taskId))?.["status"];

    proxy.loseCommits((commit) => commit === 1);
    const restarted = operator.restart(taskId);
    await until(async () => (await statusOf()) === "queued", "it is restarted");
    await fixture.engine.cancel(taskId, "by another one");
    let isAnswered = false;
    void restarted.finally(() => (isAnswered = true)).catch(() => undefined);
    await until(async () => {
      await clock.advance(1_000, () => Promise.resolve());
      return isAnswered;
    }, "it is answered");

    expect(await restarted).toMatchObject({ id: taskId, end: { reason: "by another one" } });
    expect(await statusOf()).toBe("canceled");
    operator.close();
    await db.close();
  });
});

/** Does this while the answers to so many COMMITs are lost. */
async function losing<T>(fixture: RestateFixture, act: () => Promise<T>, lost = 2): Promise<T> {
  await fixture.settle();
  proxy.loseCommits((commit) => commit <= lost);
  const value = await act();
  expect(proxy.commits).toBeGreaterThan(lost);
  return value;
}
