import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import { compensationOf, logOf, saga, undoA, undoB, world } from "./compensation-world.testsuite.ts";
import { advance, agentA, code, createGate, done, newTask, quiet, runToEnd, until, value, type EngineSuite } from "./engine-fixture.testsuite.ts";

export function testCompensation(suite: EngineSuite): void {
  describe("compensation", () => {
    testEnds(suite);
    testDurability(suite);
  });
}

function testEnds(suite: EngineSuite): void {
  it("E14 follows a run whose code threw with a task that replays it to where it stood and compensates: nothing of it is executed again", async () => {
    const fixture = await suite.create();
    const saw = world(() => Promise.reject(new Error("broken")));
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture, { input: { of: 1 }, priority: 3 }));

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "dead", reason: "failed" });
    const compensation = await compensationOf(fixture, taskId);
    expect(await runToEnd(fixture, compensation)).toMatchObject({ status: "done", output: ["undo a", "undo b"] });

    expect(logOf(saw)).toEqual(["a", "b", undoB, undoA]);
    expect(await fixture.engine.get(compensation)).toMatchObject({ agent: "a", input: { of: 1 }, priority: 3, source: `compensates ${taskId}, which is dead`, parentRunId: null });
    expect(await fixture.engine.list({})).toHaveLength(2);
  });

  it("E14 follows no run that is done, and none that registered nothing", async () => {
    const fixture = await suite.create();
    const saw = world(() => Promise.resolve("fine"));
    await fixture.engine.run([agentA, { ...agentA, name: "b" }], (ctx) => (ctx.task.agent === "a" ? saga(saw)(ctx) : Promise.reject(new Error("broken"))));
    const good = await fixture.engine.start(newTask(fixture));
    const bad = await fixture.engine.start(newTask(fixture, { agent: "b" }));

    expect(await runToEnd(fixture, good.taskId)).toMatchObject({ status: "done" });
    expect(await runToEnd(fixture, bad.taskId)).toMatchObject({ status: "dead" });
    await quiet(fixture);
    expect(await fixture.engine.list({})).toHaveLength(2);
  });

  it.each(["suspended", "executing"] as const)("E14 a run that is canceled while it is %s is canceled at once for whoever asks, and what it waited for is not begun again", async (how) => {
    const fixture = await suite.create();
    let begun = 0;
    const saw = world(async (ctx) => {
      if (how === "suspended") await ctx.wait({ name: "w", reason: "timer", timeoutMs: 3_600_000 });
      await ctx.step({ kind: "code", name: "hangs" }, () => (++begun, new Promise(() => undefined)));
      return null;
    });
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await (how === "suspended" ? until(async () => (await fixture.engine.get(taskId))?.status === "waiting", "it waits") : until(() => begun === 1, "the step executes"));

    expect(await fixture.engine.cancel(taskId, "enough")).toBe(true);

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "canceled", end: { status: "canceled", reason: "enough" } });
    expect(await runToEnd(fixture, await compensationOf(fixture, taskId))).toMatchObject({ status: "done" });
    expect(logOf(saw)).toEqual(["a", "b", undoB, undoA]);
    // The last step that had ended was served, though it had ended the moment before.
    expect(saw.log.filter((line) => line.startsWith("seen ")).length).toBeGreaterThan(1);
    expect(begun).toBe(how === "suspended" ? 0 : 1);
  });

  it.each(["cancel", "deadline", "throw"])("E14 undoes nothing while a step of the run acts that ended by a %s, and begins when that has come to its end", async (how) => {
    const fixture = await suite.create();
    const gate = createGate();
    const acts = createGate();
    const saw = world(async (ctx) => {
      const slow = code(ctx, "slow", async () => {
        acts.open();
        await gate.opened;
        saw.log.push("lands");
        return null;
      });
      if (how !== "throw") return await slow;
      await acts.opened;
      throw new Error("broken");
    });
    await fixture.engine.run([agentA], saga(saw));
    const endedAtMs = fixture.clock.now() + 10_000;
    const { taskId } = await fixture.engine.start(newTask(fixture, { deadlineAtMs: endedAtMs }));
    await acts.opened;
    await fixture.settle();
    if (how === "cancel") await fixture.engine.cancel(taskId, "enough");
    if (how === "deadline") await fixture.clock.advance(10_000, () => fixture.settle());
    await fixture.engine.result(taskId);
    await advance(fixture, 30_000);
    expect(logOf(saw)).toEqual(["a", "b"]);

    gate.open();
    await until(() => saw.log.includes(undoA), "it is undone, without time having passed");

    expect(logOf(saw)).toEqual(["a", "b", "lands", undoB, undoA]);
    expect(fixture.clock.now()).toBeLessThan(endedAtMs + 60_000);
  });

  it("E14 waits 60 s at the most for a step that does not stop", async () => {
    const fixture = await suite.create();
    let acts = false;
    const saw = world((ctx) => ctx.step({ kind: "code", name: "hangs" }, () => ((acts = true), new Promise(() => undefined))));
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => acts, "it acts");
    await fixture.engine.cancel(taskId, "enough");

    await advance(fixture, 59_999);
    expect(logOf(saw)).toEqual(["a", "b"]);
    await advance(fixture, 1);
    expect(await runToEnd(fixture, await compensationOf(fixture, taskId))).toMatchObject({ status: "done" });
    expect(logOf(saw)).toEqual(["a", "b", undoB, undoA]);
  });

  it("E14 comes to a registration by the steps that ended the moment before it", async () => {
    const fixture = await suite.create();
    let begun = false;
    await fixture.engine.run([agentA], async (ctx) => {
      let registered = 0;
      const work = async (): Promise<null> => {
        for (const name of ["one", "two", "three"]) await code(ctx, name, () => name);
        await ctx.step({ kind: "compensate", name: "undo" }, () => Promise.resolve(value(null)));
        registered++;
        await ctx.step({ kind: "code", name: "hangs" }, () => ((begun = true), new Promise(() => undefined)));
        return null;
      };
      if (ctx.unwinding === null) return done(await work());
      void work();
      await ctx.unwinding.arrived;
      return done(registered);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => begun, "the last step executes");
    await fixture.engine.cancel(taskId, "enough");

    expect(await runToEnd(fixture, await compensationOf(fixture, taskId))).toMatchObject({ output: 1 });
  });

  it("E14 compensates for a run whose deadline passed, and what compensates has a deadline of its own", async () => {
    const fixture = await suite.create();
    const saw = world(async (ctx) => (await ctx.wait({ name: "w", reason: "signal", signal: "never" })).by);
    await fixture.engine.run([agentA], saga(saw));
    const nowMs = fixture.clock.now();
    const { taskId } = await fixture.engine.start(newTask(fixture, { deadlineAtMs: nowMs + 60_000 }));
    await quiet(fixture);
    await advance(fixture, 60_000);

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "dead", end: { reason: "deadline" } });
    const compensation = await compensationOf(fixture, taskId);
    expect(await fixture.engine.get(compensation)).toMatchObject({ deadlineAtMs: nowMs + 60_000 + 7 * 86_400_000 });
    expect(await runToEnd(fixture, compensation)).toMatchObject({ status: "done" });
    expect(logOf(saw)).toEqual(["a", "b", undoB, undoA]);
  });

  it("E14 compensates for a called run that is canceled with the one that called it", async () => {
    const fixture = await suite.create();
    const saw = world(async (ctx) => (await ctx.wait({ name: "w", reason: "signal", signal: "never" })).by);
    const child = newTask(fixture);
    await fixture.engine.run([agentA], async (ctx) => (ctx.task.source === "parent" ? done((await ctx.child({ kind: "child", name: "a" }, child)) as unknown as Json) : await saga(saw)(ctx)));
    const parent = await fixture.engine.start(newTask(fixture, { source: "parent" }));
    await until(async () => (await fixture.engine.get(child.id))?.status === "waiting", "the child waits");

    await fixture.engine.cancel(parent.taskId, "enough");

    expect(await runToEnd(fixture, await compensationOf(fixture, child.id))).toMatchObject({ status: "done" });
    expect(logOf(saw)).toEqual(["a", "b", undoB, undoA]);
  });
}

function testDurability(suite: EngineSuite): void {
  it.each(["crash", "reopen"] as const)("E14 goes on after a %s in the middle: what was undone is not undone again", async (how) => {
    let fixture = await suite.create();
    const gate = createGate();
    const saw = world(() => Promise.reject(new Error("broken")));
    saw.undo = (name) => (name === "undo a" ? gate.opened : Promise.resolve());
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => saw.log.includes(undoA), "the second one is under way");
    if (how === "crash") fixture = await suite.crash(fixture);
    else fixture = await suite.reopen(fixture);
    saw.undo = () => Promise.resolve();

    await fixture.engine.run([agentA], saga(saw));

    expect(await runToEnd(fixture, await compensationOf(fixture, taskId))).toMatchObject({ status: "done" });
    expect(logOf(saw)).toEqual(["a", "b", undoB, undoA, undoA]);
    gate.open();
  });

  it("E14 compensates for a run that was in too many crashes", async () => {
    let fixture = await suite.create();
    const saw = world((ctx) => ctx.step({ kind: "code", name: "dies" }, () => (saw.log.push("dies"), new Promise(() => undefined))));
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    for (let crashes = 1; crashes <= 11; crashes++) {
      await until(() => saw.log.filter((line) => line === "dies").length === crashes, `it executes for the ${crashes}th time`);
      fixture = await suite.crash(fixture);
      await fixture.engine.run([agentA], saga(saw));
    }

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "dead", reason: "recovery-limit" });
    expect(await runToEnd(fixture, await compensationOf(fixture, taskId))).toMatchObject({ status: "done" });
    expect(logOf(saw).filter((line) => line !== "dies")).toEqual(["a", "b", undoB, undoA]);
  });

  it("E14 registers what the ended run came to and had no time to register", async () => {
    const fixture = await suite.create();
    const log: string[] = [];
    const gate = createGate();
    await fixture.engine.run([agentA], async (ctx) => {
      const registered: string[] = [];
      const register = async (name: string): Promise<void> => {
        await ctx.step({ kind: "compensate", name }, () => (ctx.unwinding === null && name === "late" ? new Promise(() => undefined) : Promise.resolve(value(null))));
        registered.push(name);
      };
      const work = async (): Promise<void> => {
        await register("early");
        await code(ctx, "charge", () => log.push("charge"));
        if (ctx.unwinding === null) gate.open();
        await register("late");
        await code(ctx, "never", () => log.push("never"));
      };
      if (ctx.unwinding === null) {
        await work();
        return done(null);
      }
      void work();
      await ctx.unwinding.arrived;
      return done(registered);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await gate.opened;
    await fixture.settle();

    await fixture.engine.cancel(taskId, "enough");

    expect(await runToEnd(fixture, await compensationOf(fixture, taskId))).toMatchObject({ status: "done", output: ["early", "late"] });
    expect(log).toEqual(["charge"]);
  });
}
