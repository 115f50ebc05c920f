import { afterAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../engine.ts";
import { advance, agentA, code, createGate, done, newTask, quiet, runToEnd, until, value } from "../engine-fixture.testsuite.ts";
import { sqliteSuite, type SqliteFixture } from "./sqlite-fixture.testsuite.ts";

const suite = sqliteSuite();
afterAll(() => suite.destroy());

function pageCount({ db }: SqliteFixture): number {
  return Number(db.get("PRAGMA page_count")?.["page_count"]);
}

describe("the embedded engine", () => {
  it("begins a task that finds a slot in the commit that brings it, and queues the next one", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    await fixture.engine.run([{ ...agentA, concurrency: 1 }], async (ctx) => done(await code(ctx, "hold", async () => { await gate.opened; return null; })));

    const starts = await Promise.all([fixture.engine.start(newTask(fixture)), fixture.engine.start(newTask(fixture))]);

    const statuses = await Promise.all(starts.map(async ({ taskId }) => (await fixture.engine.get(taskId))?.status));
    expect(statuses).toEqual(["running", "queued"]);
    gate.open();
    await quiet(fixture);
    expect(await fixture.engine.list({ statuses: ["done"] })).toHaveLength(2);
  });

  it("E6 delays a step's commit while the disk is full, and executes nothing twice", async () => {
    const fixture = await suite.create();
    let executed = 0;
    await fixture.engine.run([agentA], async (ctx) => {
      const text = await code(ctx, "large", () => {
        executed++;
        fixture.db.exec(`PRAGMA max_page_count = ${pageCount(fixture) + 2}`);
        return "x".repeat(500_000);
      });
      return done(String(text).length);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => executed === 1, "the step executes");
    await fixture.clock.advance(30_000);
    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "running" });
    expect(fixture.engine.isQuiet()).toBe(false);

    fixture.db.exec("PRAGMA max_page_count = 1000000");
    await fixture.clock.advance(1_000);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: 500_000 });
    expect(executed).toBe(1);
  });

  it("E6 executes a step again whose guard the file refused, and takes the refusal for no end of the step", async () => {
    const fixture = await suite.create();
    const attempts: number[] = [];
    await fixture.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "tool", name: "once" }, async () => {
      attempts.push(fixture.clock.monotonicMs());
      if (attempts.length < 3) await fixture.commit.submit((db) => db.exec("PRAGMA query_only = ON; CREATE TABLE refused (n)"));
      return value("happened");
    })));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => attempts.length === 1, "it executes");
    await fixture.clock.advance(1_500);
    fixture.db.exec("PRAGMA query_only = OFF");
    await fixture.clock.advance(1_500);

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done", output: "happened" });
    expect(attempts).toEqual([0, 1_000, 2_000]);
  });

  it("E6 does not execute a step again that the file refused when its task was canceled meanwhile", async () => {
    const fixture = await suite.create();
    let attempts = 0;
    await fixture.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "tool", name: "once" }, async () => {
      attempts++;
      return await fixture.commit.submit((db) => db.exec("PRAGMA query_only = ON; CREATE TABLE refused (n)")).then(() => value(null));
    })));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => attempts === 1, "it executes");
    await fixture.clock.advance(500);
    fixture.db.exec("PRAGMA query_only = OFF");
    await fixture.engine.cancel(taskId, "enough");
    await fixture.clock.advance(5_000);

    expect(attempts).toBe(1);
    expect(fixture.engine.isQuiet()).toBe(true);
  });

  it("E1 refuses a key that would be stored as another one's", async () => {
    const fixture = await suite.create();

    await expect(fixture.engine.start(newTask(fixture, { key: "\ud800" }))).rejects.toMatchObject({ code: "OPTION_INVALID" });
    expect((await fixture.engine.start(newTask(fixture, { key: "a\0b \u{1f642}" }))).created).toBe(true);
    expect((await fixture.engine.start(newTask(fixture, { key: "a\0c \u{1f642}" }))).created).toBe(true);
  });

  it("E11 stops in time while the file takes no writes, and leaves what executes as a crash would", async () => {
    const fixture = await suite.create();
    const execute = async (ctx: EngineContext) => done(await code(ctx, "hold", async () => await new Promise<null>(() => undefined)));
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => fixture.changes.some(({ task }) => task.status === "running"), "it executes");
    fixture.db.exec("PRAGMA query_only = ON");
    let isClosed = false;
    let report: unknown = null;
    void fixture.engine.drain(1_000).then((drained) => (report = drained));
    void fixture.engine.close().then(() => (isClosed = true));

    await fixture.clock.advance(1_000 + 5_000);

    expect(report).toEqual({ interrupted: 1 });
    expect(isClosed).toBe(true);
    fixture.db.exec("PRAGMA query_only = OFF");
    const next = await suite.crash(fixture);
    await next.engine.run([agentA], async () => done("again"));
    expect(await runToEnd(next as SqliteFixture, taskId)).toMatchObject({ status: "done", output: "again" });
  });

  it("shows nothing of a transaction that is still open to those who read", async () => {
    const fixture = await suite.create();
    let seen: Promise<readonly unknown[]> = Promise.resolve([]);
    await fixture.engine.run([agentA], async (ctx) => {
      await ctx.transaction({ kind: "code", name: "tx" }, async (tx) => {
        await tx.run("CREATE TABLE mine (n INTEGER)");
        seen = fixture.engine.steps(ctx.runId);
        return null;
      });
      return done(null);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await runToEnd(fixture, taskId);

    // The read waited for the transaction, and so it sees the step completed.
    expect(await seen).toHaveLength(1);
  });

  it("keeps the work of others when one transaction fails in the same commit", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    await fixture.engine.run([agentA], async (ctx) => {
      await code(ctx, "hold", async () => { await gate.opened; return null; });
      return done(
        await ctx.transaction({ kind: "code", name: "tx" }, async (tx) => {
          await tx.run("CREATE TABLE IF NOT EXISTS shared (n INTEGER PRIMARY KEY)");
          await tx.run("INSERT INTO shared (n) VALUES (?)", Number(ctx.task.input));
          return (await tx.all("SELECT count(*) AS n FROM shared"))[0]?.["n"] ?? null;
        }),
      );
    });
    const tasks = await Promise.all([1, 2, 2, 3].map((input) => fixture.engine.start(newTask(fixture, { input }))));
    await until(() => fixture.changes.filter(({ task }) => task.status === "running").length === 4, "all execute");
    gate.open();

    const ends = await Promise.all(tasks.map(({ taskId }) => fixture.engine.result(taskId)));

    expect(ends.map((end) => end.status)).toEqual(["done", "done", "dead", "done"]);
  });

  it("ends more waits than one commit takes when they fall due together", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([{ ...agentA, concurrency: 1_000 }], async (ctx) => {
      await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 60_000 });
      return done(null);
    });
    await Promise.all(Array.from({ length: 450 }, () => fixture.engine.start(newTask(fixture))));
    await advance(fixture, 60_000);

    expect(await fixture.engine.list({ statuses: ["done"], limit: 1_000 })).toHaveLength(450);
  });

  it("notices a wall clock that was set, within an hour", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 30 * 86_400_000 });
      return done(null);
    });
    await fixture.engine.start(newTask(fixture, { deadlineAtMs: Number.MAX_SAFE_INTEGER }));
    await quiet(fixture);

    expect(fixture.clock.pendingAtMs).toEqual([fixture.clock.now() + 3_600_000]);
  });

  it("E9 parks a run whose journal has another format before any of its code runs, and restarts it on request", async () => {
    const fixture = await suite.create();
    let calls = 0;
    const execute = async (ctx: EngineContext) => {
      calls++;
      await ctx.wait({ name: "go", reason: "signal", signal: "go" });
      return done(calls);
    };
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    fixture.db.exec("UPDATE lh_run SET format = 2");
    const runId = (await fixture.engine.get(taskId))?.runId ?? "";
    await fixture.engine.signal(runId, "go", null, "s1");
    await quiet(fixture);

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "waiting", waitingReason: "code-mismatch" });
    expect(fixture.changes.at(-1)?.failure).toMatchObject({ code: "ENGINE_CODE_MISMATCH", details: { expected: "format 2", came: "format 1" } });
    expect(calls).toBe(1);
    const restarted = await fixture.engine.restart(taskId);
    await quiet(fixture);
    await fixture.engine.signal((await fixture.engine.get(taskId))?.runId ?? "", "go", null, "s2");

    expect(restarted.status).toBe("queued");
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done" });
  });

  it("tells of a bug in what is wired to it, and goes on when that is mended", async () => {
    const fixture = await suite.create();
    let isBroken = true;
    await fixture.engine.run([agentA], async (ctx: EngineContext) => {
      await ctx.step({ kind: "code", name: "one" }, async () => value(null));
      return done(null);
    });
    const push = fixture.changes as unknown as { push: (change: { readonly task: { readonly status: string } }) => number };
    const original = push.push;
    push.push = function pushOrFail(change) {
      if (isBroken && change.task.status === "running") throw new Error("observer is broken");
      return original.call(this, change);
    };
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await advance(fixture, 3_000);

    expect(fixture.faults).toHaveLength(4);
    expect(fixture.faults[0]).toMatchObject({ message: "observer is broken" });
    isBroken = false;
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done" });
  });
});
