import { afterAll, describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/error.ts";
import type { TaskEnd } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import { agentA, done, newTask, until, value } from "../engine-fixture.testsuite.ts";
import type { Execute } from "../engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

/** In place of ten minutes. */
const brokenStatementMs = 12_000;
const suite = restateSuite({ limits: { brokenStatementMs } });
afterAll(() => suite.destroy());

/** One of the store's guards. */
const write: Write = { type: "key.claim", key: "charged", taskId: "t", atMs: 0, expiresAtMs: Number.MAX_SAFE_INTEGER };
const moveAway = "ALTER TABLE test_key RENAME TO moved";
const moveBack = "ALTER TABLE moved RENAME TO test_key";

/** What a task comes to while time passes as it likes. */
async function endOf(fixture: RestateFixture, execute: Execute): Promise<TaskEnd> {
  await fixture.engine.run([agentA], execute);
  const { taskId } = await fixture.engine.start(newTask(fixture));
  return await whilePassing(fixture, fixture.engine.result(taskId));
}

/** Time passes from the first fault on: calls of Restate have limits by the same clock. */
async function whilePassing<T>({ clock, faults }: RestateFixture, work: Promise<T>): Promise<T> {
  let isSettled = false;
  work.catch(() => undefined).finally(() => (isSettled = true));
  await until(() => isSettled || faults.length > 0, "it ends, or people are told");
  await until(async () => {
    if (!isSettled) await clock.advance(100, () => Promise.resolve());
    return isSettled;
  }, "it ends");
  return await work;
}

describe("a statement that PostgreSQL cannot do, since what it names is not there,", () => {
  it("is what the step comes to that needed it, and its body executes once", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    let bodies = 0;
    let actedAtMs = 0;

    const end = await endOf(fixture, async (ctx) => done(await ctx.step({ kind: "code", name: "charge" }, async () => {
      bodies++;
      actedAtMs = fixture.clock.monotonicMs();
      await fixture.observer.exec(moveAway);
      return value("charged", [write]);
    })));

    expect(end).toMatchObject({ status: "dead", failure: { code: "STORE_STATEMENT", message: expect.stringMatching(/test_key.*42P01.*newest version/) as string } });
    expect(bodies).toBe(1);
    expect(fixture.clock.monotonicMs() - actedAtMs).toBeGreaterThanOrEqual(brokenStatementMs);
    expect(fixture.faults[0]).toMatchObject({ code: "STORE_STATEMENT" });
  });

  it("is what a run comes to whose end needed it", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    await fixture.observer.exec(moveAway);

    expect(await endOf(fixture, async () => ({ ...done("charged"), writes: [write] }))).toMatchObject({ status: "dead", failure: { code: "STORE_STATEMENT" } });
  });

  it("is tried for some seconds: it may be there again", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    await fixture.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "code", name: "charge" }, async () => {
      await fixture.observer.exec(moveAway);
      return value("charged", [write]);
    })));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => fixture.faults.length > 0, "people are told");
    await fixture.observer.exec(moveBack);

    expect(await whilePassing(fixture, fixture.engine.result(taskId))).toMatchObject({ status: "done", output: "charged" });
  });

  it("keeps a worker from starting, in place of letting it wait for ever", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    await fixture.observer.exec("ALTER TABLE lh_run RENAME COLUMN parked_version TO moved");

    await expect(whilePassing(fixture, fixture.engine.run([agentA], async () => done(null)))).rejects.toMatchObject({ code: "STORE_STATEMENT" });
  });

  it.each([["slots", "lh_run", "loop_version"], ["a run", "lh_told", "run"]])("refuses Restate's call for %s, which Restate repeats: nothing is counted, and the task goes on when it is mended", async (_, table, column) => {
    const fixture = (await suite.create()) as RestateFixture;
    await fixture.engine.run([agentA], async () => done("charged"));
    await fixture.observer.exec(`ALTER TABLE ${table} RENAME COLUMN ${column} TO moved`);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => fixture.faults.length > 0, "people are told");
    // Restate calls again in its own time.
    while (fixture.faults.length < 3) {
      await sleep(systemClock, 10);
      await fixture.clock.advance(500, () => Promise.resolve());
    }
    await fixture.observer.exec(`ALTER TABLE ${table} RENAME COLUMN moved TO ${column}`);

    expect(await whilePassing(fixture, fixture.engine.result(taskId))).toMatchObject({ status: "done" });
    expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 0 });
  });

  it("fails what nothing else can be done in place of as soon as it can", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    await fixture.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "code", name: "charge" }, async () => {
      await fixture.observer.exec("ALTER TABLE lh_journal RENAME COLUMN outcome TO moved");
      return value("charged", [write]);
    })));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(async () => {
      await fixture.clock.advance(500, () => Promise.resolve());
      return fixture.faults.length > 1;
    }, "not even the failure can be stored");
    await fixture.observer.exec("ALTER TABLE lh_journal RENAME COLUMN moved TO outcome");

    expect(await whilePassing(fixture, fixture.engine.result(taskId))).toMatchObject({ status: "dead", failure: { code: "STORE_STATEMENT" } });
  });
});

describe("SQL of a user", () => {
  it("fails by itself when it sends Longhaul's own statements elsewhere", async () => {
    const fixture = (await suite.create()) as RestateFixture;

    const end = await endOf(fixture, async (ctx) => done(await ctx.transaction({ kind: "code", name: "move" }, async (tx) => (await tx.all("SELECT set_config('search_path', 'pg_catalog', true)")).length)));

    expect(end).toMatchObject({ status: "dead", failure: { code: "STORE_STATEMENT" } });
  });

  it("fails of a constraint that is looked at last, as of any other", async () => {
    const fixture = (await suite.create()) as RestateFixture;
    await fixture.observer.exec("CREATE TABLE payer (id int PRIMARY KEY); CREATE TABLE payment (payer int REFERENCES payer DEFERRABLE INITIALLY DEFERRED)");

    const end = await endOf(fixture, async (ctx) => {
      const failure = await ctx.transaction({ kind: "code", name: "pay" }, async (tx) => (await tx.run("INSERT INTO payment (payer) VALUES (7)")).changes).catch((error: unknown) => messageOf(error));
      await ctx.transaction({ kind: "code", name: "pay later" }, async (tx) => {
        await tx.run("INSERT INTO payment (payer) VALUES (8)");
        return (await tx.run("INSERT INTO payer (id) VALUES (8)")).changes;
      });
      return done(failure);
    });

    expect(end).toMatchObject({ status: "done", output: expect.stringContaining("foreign key") as string });
    expect(await fixture.observer.all("SELECT payer FROM payment")).toEqual([{ payer: 8 }]);
  });
});
