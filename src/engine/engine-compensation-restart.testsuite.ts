import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import { compensationOf, logOf, saga, undoA, undoB, world, type World } from "./compensation-world.testsuite.ts";
import type { EngineContext, Execute } from "./engine.ts";
import { advance, agentA, code, createGate, done, newTask, quiet, runToEnd, until, value, type EngineFixture, type EngineSuite } from "./engine-fixture.testsuite.ts";

export function testCompensationRestart(suite: EngineSuite): void {
  describe("compensation and restart", () => {
    testOperators(suite);
    testParked(suite);
  });
}

function testOperators(suite: EngineSuite): void {
  it("E14 does not restart a task whose last run is being undone; afterwards it does, and undoes the new run on its own", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    const saw = world(() => Promise.reject(new Error("broken")));
    saw.undo = () => gate.opened;
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.engine.result(taskId);
    const first = await compensationOf(fixture, taskId);
    await until(() => saw.log.includes(undoB), "it is being undone");

    await expect(fixture.engine.restart(taskId)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`is being undone by task ${first}`) });
    gate.open();
    await runToEnd(fixture, first);
    saw.log.length = 0;
    await fixture.engine.restart(taskId);

    await runToEnd(fixture, taskId);
    const second = await compensationOf(fixture, taskId);
    expect(second).not.toBe(first);
    expect(await runToEnd(fixture, second)).toMatchObject({ status: "done" });
    expect(logOf(saw)).toEqual(["a", "b", undoB, undoA]);
  });

  it("E14 restarts a compensation that failed with what was not undone, and follows it with none of its own", async () => {
    const fixture = await suite.create();
    const saw = world(() => Promise.reject(new Error("broken")));
    saw.failing.add("undo b");
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await runToEnd(fixture, taskId);
    const compensation = await compensationOf(fixture, taskId);
    expect(await runToEnd(fixture, compensation)).toMatchObject({ status: "dead", failure: { message: "not undone: undo b" } });
    expect(await fixture.engine.list({})).toHaveLength(2);
    saw.failing.clear();

    await fixture.engine.restart(compensation);

    expect(await runToEnd(fixture, compensation)).toMatchObject({ status: "done" });
    expect(logOf(saw)).toEqual(["a", "b", undoB, undoA, undoB]);
  });

  it.each(["fails", "is canceled"])("E14 does not restart a task while the compensation of its last run %s with something left; when that is done it does", async (how) => {
    const fixture = await suite.create();
    const gate = createGate();
    const saw = world(() => Promise.reject(new Error("broken")));
    saw.failing.add("undo b");
    if (how === "is canceled") saw.undo = () => gate.opened;
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.engine.result(taskId);
    const compensation = await compensationOf(fixture, taskId);
    if (how === "is canceled") {
      await until(() => saw.log.includes(undoB), "it is being undone");
      await fixture.engine.cancel(compensation, "enough");
    }
    await runToEnd(fixture, compensation);
    gate.open();

    await expect(fixture.engine.restart(taskId)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`longhaul restart ${compensation}`) });
    saw.failing.clear();
    await fixture.engine.restart(compensation);
    expect(await runToEnd(fixture, compensation)).toMatchObject({ status: "done" });

    saw.rest = () => Promise.resolve("fine");
    await fixture.engine.restart(taskId);
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done" });
  });

  it("E14 does not restart a task while what a run did that it called, over any number of calls, is being undone", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    const saw = world(async (ctx) => (await ctx.wait({ name: "w", reason: "signal", signal: "never" })).by);
    saw.undo = () => gate.opened;
    const [middle, last] = [newTask(fixture, { source: "middle" }), newTask(fixture, { source: "last" })];
    await fixture.engine.run([agentA], async (ctx) => {
      const called = { first: middle, middle: last }[ctx.task.source];
      return called === undefined ? await saga(saw)(ctx) : done((await ctx.child({ kind: "child", name: "a" }, called)) as unknown as Json);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture, { source: "first" }));
    await until(async () => (await fixture.engine.get(last.id))?.status === "waiting", "the called one waits");
    await fixture.engine.cancel(taskId, "enough");
    const compensation = await compensationOf(fixture, last.id);
    await until(() => saw.log.includes(undoB), "it is being undone");

    await expect(fixture.engine.restart(taskId)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`is being undone by task ${compensation}`) });
    gate.open();
    await runToEnd(fixture, compensation);
    expect(await fixture.engine.restart(taskId)).toMatchObject({ status: "queued" });
  });

  it("E14 does not restart a task while what a run did that it called is not all undone: it would be done beside what is left", async () => {
    const fixture = await suite.create();
    const saw = world(() => Promise.reject(new Error("broken")));
    saw.failing.add("undo b");
    const called = newTask(fixture, { source: "called" });
    await fixture.engine.run([agentA], async (ctx) => {
      if (ctx.task.source !== "first") return await saga(saw)(ctx);
      await ctx.child({ kind: "child", name: "a" }, called);
      throw new Error("its call died");
    });
    const { taskId } = await fixture.engine.start(newTask(fixture, { source: "first" }));
    await runToEnd(fixture, taskId);
    const compensation = await compensationOf(fixture, called.id);
    expect(await runToEnd(fixture, compensation)).toMatchObject({ status: "dead" });

    await expect(fixture.engine.restart(taskId)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`longhaul restart ${compensation}`) });
    saw.failing.clear();
    await fixture.engine.restart(compensation);
    await runToEnd(fixture, compensation);
    expect(await fixture.engine.restart(taskId)).toMatchObject({ status: "queued" });
  });

  it("E14 leaves to another run what a fork was served of it", async () => {
    const fixture = await suite.create();
    const saw = world(() => Promise.resolve("fine"));
    await fixture.engine.run([agentA], saga(saw));
    const first = await fixture.engine.start(newTask(fixture));
    await runToEnd(fixture, first.taskId);
    const runId = String((await fixture.engine.get(first.taskId))?.runId);
    saw.rest = () => Promise.reject(new Error("broken"));

    const fork = await fixture.engine.start(newTask(fixture), { prefix: { runId, below: 5 } });

    expect(await runToEnd(fixture, fork.taskId)).toMatchObject({ status: "dead" });
    await quiet(fixture);
    expect(await fixture.engine.list({})).toHaveLength(2);
  });
}

function testParked(suite: EngineSuite): void {
  /** A run that registered behind a step that the code does not take any more. */
  async function parked(log: string[], renamed: World["rest"]): Promise<{ readonly fixture: EngineFixture; readonly taskId: string; readonly runId: string }> {
    const work = (first: (ctx: EngineContext) => Promise<Json>): Execute => async (ctx) => {
      let isRegistered = false;
      const code = async (): Promise<Json> => {
        await first(ctx);
        await ctx.step({ kind: "compensate", name: "undo" }, () => Promise.resolve(value(null)));
        isRegistered = true;
        return (await ctx.wait({ name: "go", reason: "signal", signal: "go" })).by;
      };
      if (ctx.unwinding === null) return done(await code());
      await Promise.race([ctx.unwinding.arrived, code().catch(() => undefined)]);
      if (!isRegistered) throw new Error(`not undone: ${ctx.unwinding.registered.join(", ")}`);
      return done(await ctx.step({ kind: "compensation", name: "undo" }, () => (log.push("undone"), Promise.resolve(value(null)))));
    };
    let fixture = await suite.create();
    await fixture.engine.run([agentA], work((ctx) => code(ctx, "old", () => 1)));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(async () => (await fixture.engine.get(taskId))?.status === "waiting", "it waits");
    const runId = String((await fixture.engine.get(taskId))?.runId);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "2" }], work((ctx) => code(ctx, "new", () => 1).then(() => renamed(ctx))));
    await fixture.engine.signal(runId, "go", null, "1");
    await advance(fixture, 6_000);
    expect(await fixture.engine.get(taskId)).toMatchObject({ waitingReason: "code-mismatch" });
    return { fixture, taskId, runId };
  }

  it.each(["restart", "fork"])("E14 refuses the %s of a parked run that registered: nothing would undo it. Canceled, it is undone", async (how) => {
    const { fixture, taskId, runId } = await parked([], () => Promise.resolve(null));

    const again = fixture.engine.restart(taskId, how === "fork" ? { prefix: { runId, below: 2 } } : {});

    await expect(again).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`longhaul cancel ${taskId}`) });
    await fixture.engine.cancel(taskId, "enough");
    // The code that would undo it does not come there any more: that is said, and not lost.
    expect(await runToEnd(fixture, `c_${runId}`)).toMatchObject({ status: "dead", failure: { message: "not undone: undo" } });
  });

  it("E14 undoes what a skip had not been served yet when its run ended", async () => {
    const log: string[] = [];
    const { fixture, taskId } = await parked(log, (ctx) => code(ctx, "fails", () => Promise.reject(new Error(ctx.task.id))));
    await fixture.engine.skip(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "dead" });
    const compensation = await compensationOf(fixture, taskId);
    // The step that failed is served, so the code comes no further than it did.
    expect(await runToEnd(fixture, compensation)).toMatchObject({ status: "dead", failure: { message: "not undone: undo" } });
  });
}
