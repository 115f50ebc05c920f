import { afterAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../engine.ts";
import { agentA, code, createGate, done, newTask, quiet, until } from "../engine-fixture.testsuite.ts";
import { sqliteSuite, type SqliteFixture } from "./sqlite-fixture.testsuite.ts";

const suite = sqliteSuite();
afterAll(() => suite.destroy());

const alone = { ...agentA, concurrency: 1 };

function statusesOf({ engine }: SqliteFixture, taskIds: readonly string[]): Promise<readonly unknown[]> {
  return Promise.all(taskIds.map(async (id) => (await engine.get(id))?.status));
}

describe("slots of the embedded engine", () => {
  it("are given in the commit that brings a task, as long as there are any", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    await fixture.engine.run([alone], async (ctx) => done(await code(ctx, "hold", async () => { await gate.opened; return null; })));

    const starts = await Promise.all([fixture.engine.start(newTask(fixture)), fixture.engine.start(newTask(fixture))]);

    expect(await statusesOf(fixture, starts.map(({ taskId }) => taskId))).toEqual(["running", "queued"]);
    gate.open();
    await quiet(fixture);
    expect(await fixture.engine.list({ statuses: ["done"] })).toHaveLength(2);
  });

  it("are taken up after whoever brought the task has its answer", async () => {
    const fixture = await suite.create();
    const told: string[] = [];
    await fixture.engine.run([agentA], async () => {
      told.push("it executes");
      return done(null);
    });

    await fixture.engine.start(newTask(fixture)).then(() => told.push("it was taken"));

    await quiet(fixture);
    expect(told).toEqual(["it was taken", "it executes"]);
  });

  it("are free again when the file does not take the commit in which they were given", async () => {
    const fixture = await suite.create();
    const { db, engine } = fixture;
    await engine.run([alone], async () => done(null));
    await quiet(fixture);
    db.exec(`PRAGMA max_page_count = ${Number(db.get("PRAGMA page_count")?.["page_count"])}`);
    // The task itself fits; what comes in the same commit does not.
    const ends = await Promise.allSettled([engine.start(newTask(fixture)), engine.start(newTask(fixture, { agent: "nobody", input: "x".repeat(400_000) }))]);
    expect(ends.map(({ status }) => status)).toContain("rejected");
    db.exec("PRAGMA max_page_count = 4294967294");

    const { taskId } = await engine.start(newTask(fixture));

    expect(await engine.get(taskId)).toMatchObject({ status: "running" });
    await quiet(fixture);
    expect(await engine.get(taskId)).toMatchObject({ status: "done" });
  });

  it("go to a task that fell due while they were taken", async () => {
    const fixture = await suite.create();
    const { clock, engine } = fixture;
    const gate = createGate();
    await engine.run([{ ...agentA, concurrency: 2 }], async (ctx) => done(ctx.task.source === "later" ? null : await code(ctx, "hold", async () => { await gate.opened; return null; })));
    await engine.start(newTask(fixture));
    const later = await engine.start(newTask(fixture, { source: "later", notBeforeAtMs: clock.now() + 1_000 }));
    await fixture.settle();
    await engine.start(newTask(fixture));
    await clock.advance(2_000);
    expect(await engine.get(later.taskId)).toMatchObject({ status: "queued" });

    gate.open();

    await until(async () => (await engine.get(later.taskId))?.status === "done", "the later one gets the slot");
  });
});

describe("slots while there are suspects", () => {
  const suspecting = sqliteSuite({ recoveriesIsolatedAbove: 0 });
  afterAll(() => suspecting.destroy());

  it("go to the tasks behind a second suspect, which may not have them", async () => {
    let fixture = await suspecting.create();
    const hang = async (ctx: EngineContext) => done(await code(ctx, "hangs", () => new Promise<null>(() => undefined)));
    await fixture.engine.run([{ ...agentA, concurrency: 3 }], hang);
    for (const id of ["s1", "s2", "s3"]) await fixture.engine.start(newTask(fixture, { id }));
    await fixture.settle();
    fixture = (await suspecting.crash(fixture)) as SqliteFixture;
    const gate = createGate();
    await fixture.engine.run([{ ...agentA, concurrency: 2 }], async (ctx) => {
      if (ctx.task.id !== "s1" && ctx.task.id !== "h1") return hang(ctx);
      await code(ctx, "hold", async () => { await gate.opened; return null; });
      return done(null);
    });
    for (const id of ["h1", "h2"]) await fixture.engine.start(newTask(fixture, { id }));
    const running = async () => (await fixture.engine.list({ statuses: ["running"] })).map(({ id }) => id).toSorted();
    await fixture.settle();
    expect(await running()).toEqual(["h1", "s1"]);

    gate.open();

    await fixture.settle();
    expect(await running()).toEqual(["h2", "s2"]);
  });
});

/** An engine that has just begun, with a task in its queue, and the runs whose code began. */
async function beginWithOne() {
  const fixture = await suite.create();
  const begun: string[] = [];
  await fixture.engine.start(newTask(fixture));
  await fixture.engine.run([agentA], async (ctx) => {
    begun.push(ctx.runId);
    return done(null);
  });
  return { fixture, begun };
}

describe("a drain", () => {
  it("begins nothing that it interrupts", async () => {
    const { fixture, begun } = await beginWithOne();

    await fixture.engine.drain(0);

    await fixture.settle();
    expect(begun).toEqual([]);
  });

  it("is the end, though the file refused the slots before it", async () => {
    const { fixture, begun } = await beginWithOne();
    fixture.db.exec("PRAGMA query_only = ON");
    await fixture.settle();
    fixture.db.exec("PRAGMA query_only = OFF");

    await fixture.engine.drain(0);

    await fixture.clock.advance(2_000);
    expect(begun).toEqual([]);
    expect(await fixture.engine.list({ statuses: ["queued"] })).toHaveLength(1);
  });
});

describe("functions of users", () => {
  it("are called once, though another write of their commit is refused", async () => {
    const fixture = await suite.create();
    let called = 0;
    await fixture.engine.run([agentA], async (ctx) => {
      const transaction = ctx.transaction({ kind: "transaction", name: "book" }, async () => {
        called++;
        return null;
      });
      const refused = fixture.engine.start(newTask(fixture, { agent: "b", key: "taken" })).catch(() => null);
      await Promise.all([transaction, refused]);
      return done(null);
    });
    await fixture.engine.start(newTask(fixture, { key: "taken" }));

    await quiet(fixture);

    expect(called).toBe(1);
    expect(await fixture.engine.list({ statuses: ["done"] })).toHaveLength(1);
  });
});
