import { describe, expect, it } from "vitest";
import { toFailure } from "../record/failure.ts";
import type { EngineContext } from "./engine.ts";
import { agentA, code, createGate, done, newTask, progress, quiet, record, runToEnd, until, value, type EngineSuite } from "./engine-fixture.testsuite.ts";

export function testOperation(suite: EngineSuite): void {
  describe("operation", () => {
    testDrain(suite);
    testDecisions(suite);

    it("tells those who wait for a result when the signal that they gave aborts", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agentA], async (ctx) => done(await code(ctx, "hold", async () => await new Promise<null>(() => undefined))));
      const { taskId } = await fixture.engine.start(newTask(fixture));
      const controller = new AbortController();
      const result = fixture.engine.result(taskId, controller.signal);

      controller.abort(new Error("enough"));

      await expect(result).rejects.toThrow("enough");
    });

    it("tells the store in the same commit that a task leaves its slot: at its end, its wait, its cancellation and after a crash", async () => {
      let fixture = await suite.create();
      const never = createGate();
      const execute = async (ctx: EngineContext) => {
        if (ctx.task.source === "nap") await ctx.wait({ name: "nap", reason: "signal", signal: "go" });
        if (ctx.task.source === "hold") await code(ctx, "hold", async () => { await never.opened; return null; });
        return done(null);
      };
      await fixture.engine.run([agentA], execute);
      const [plain, nap, canceled, crashed] = await Promise.all(["plain", "nap", "hold", "hold"].map((source) => fixture.engine.start(newTask(fixture, { source }))));
      await until(async () => (await fixture.left()).length === 2, "two have left");
      expect(new Set(await fixture.left())).toEqual(new Set([plain?.taskId, nap?.taskId]));

      await fixture.engine.cancel(canceled?.taskId ?? "", "enough");
      expect((await fixture.left()).at(-1)).toBe(canceled?.taskId);

      fixture = await suite.crash(fixture);
      expect(await fixture.left()).toHaveLength(3);
      await fixture.engine.run([agentA], execute);
      await until(async () => (await fixture.left()).length === 4, "the crash is known");
      expect((await fixture.left()).slice(3)).toEqual([crashed?.taskId]);
    });

    it("says whether it is quiet: not while a body executes, but while all wait", async () => {
      const fixture = await suite.create();
      const gate = createGate();
      await fixture.engine.run([agentA], async (ctx) => {
        await code(ctx, "hold", async () => { await gate.opened; return null; });
        await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 1_000 });
        return done(null);
      });
      await fixture.engine.start(newTask(fixture));
      await fixture.settle();

      expect(fixture.engine.isQuiet()).toBe(false);
      gate.open();
      await quiet(fixture);
      expect((await fixture.engine.list({ statuses: ["waiting"] }))).toHaveLength(1);
    });
  });
}

function testDrain(suite: EngineSuite): void {
  it("E11 drains: the executing step is committed, the next one does not begin, the run goes on later and nothing is counted", async () => {
    let fixture = await suite.create();
    const gate = createGate();
    const log: string[] = [];
    const execute = async (ctx: EngineContext) => {
      await code(ctx, "current", async () => { log.push(`current ${ctx.task.source}`); await gate.opened; return null; });
      await code(ctx, "next", () => log.push(`next ${ctx.task.source}`));
      return done(null);
    };
    await fixture.engine.run([{ ...agentA, concurrency: 1 }], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture, { source: "1" }));
    const second = await fixture.engine.start(newTask(fixture, { source: "2" }));
    await until(() => log.length === 1, "the step executes");

    const drained = fixture.engine.drain(60_000);
    await expect(fixture.engine.start(newTask(fixture))).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    gate.open();

    expect(await drained).toEqual({ interrupted: 1 });
    expect(log).toEqual(["current 1"]);
    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "queued", recoveries: 0 });
    expect(await fixture.engine.get(second.taskId)).toMatchObject({ status: "queued", runId: null });
    fixture = await suite.reopen(fixture);
    await fixture.engine.run([agentA], execute);
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done" });
    expect(await runToEnd(fixture, second.taskId)).toMatchObject({ status: "done" });
    expect(log.toSorted()).toEqual(["current 1", "current 2", "next 1", "next 2"]);
  });

  it("E11 lets a run that comes to its end or to a wait do so while draining", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    await fixture.engine.run([agentA], async (ctx) => {
      await code(ctx, "hold", async () => { await gate.opened; return null; });
      return done("ended");
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.settle();

    const drained = fixture.engine.drain(60_000);
    gate.open();

    expect(await drained).toEqual({ interrupted: 0 });
    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "done" });
  });

  it("E11 interrupts what executes when the drain's time is up; its late result is never applied", async () => {
    let fixture = await suite.create();
    const gate = createGate();
    const reasons: unknown[] = [];
    const execute = (isSlow: boolean) => async (ctx: EngineContext) =>
      done(await ctx.step({ kind: "code", name: "slow" }, async ({ signal, attempt }) => {
        signal.addEventListener("abort", () => reasons.push((signal.reason as { readonly code: string }).code));
        if (isSlow) await gate.opened;
        return value(isSlow ? "late" : attempt, [progress(isSlow ? "late" : "again")]);
      }));
    await fixture.engine.run([agentA], execute(true));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.settle();

    const drained = fixture.engine.drain(30_000);
    await fixture.clock.advance(30_000, () => fixture.settle());

    expect(await drained).toEqual({ interrupted: 1 });
    expect(reasons).toEqual(["ENGINE_CLOSED"]);
    gate.open();
    await fixture.settle();
    fixture = await suite.reopen(fixture);
    await fixture.engine.run([agentA], execute(false));
    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: 1 });
    expect(await fixture.applied()).toEqual(["again"]);
  });

  it("E3 E11 attempts a step again that failed of being told to stop, and records what that came to as late", async () => {
    let fixture = await suite.create();
    const execute = (isSilent: boolean) => async (ctx: EngineContext) =>
      done(await ctx.step({ kind: "model", name: "ask" }, async ({ signal }) => {
        if (!isSilent) return value("answered", [record("the answer")]);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return { outcome: { ok: false, failure: toFailure(signal.reason) }, writes: [record("what it cost")] };
      }));
    await fixture.engine.run([agentA], execute(true));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.settle();

    expect(await fixture.engine.drain(0)).toEqual({ interrupted: 1 });
    await until(async () => (await fixture.recorded()).length > 0, "what it came to is recorded");

    fixture = await suite.reopen(fixture);
    await fixture.engine.run([agentA], execute(false));
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: "answered" });
    expect((await fixture.recorded()).map((id) => id.replace(/late.*/, "late"))).toEqual(["what it cost/late", "the answer"]);
  });

  it("E11 records what each of the attempts came to that drains cut off", async () => {
    let fixture = await suite.create();
    for (const [drain, gate] of [createGate(), createGate(), createGate()].entries()) {
      let hasBegun = false;
      await fixture.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "model", name: "ask" }, async () => {
        hasBegun = true;
        await gate.opened;
        return value(null, [record("what it cost")]);
      })));
      if (drain === 0) await fixture.engine.start(newTask(fixture));
      await until(() => hasBegun, "the step executes");
      await fixture.engine.drain(0);
      gate.open();
      await until(async () => (await fixture.recorded()).length > drain, "what it came to is recorded");
      fixture = await suite.reopen(fixture);
    }

    expect(new Set((await fixture.recorded()).map((id) => id.split("/").slice(0, 2).join("/")))).toEqual(new Set(["what it cost/late"]));
    expect(await fixture.recorded()).toHaveLength(3);
  });

  it("E11 refuses work after its end, by name", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async () => done(null));
    const { taskId } = await fixture.engine.start(newTask(fixture, { agent: "elsewhere" }));
    const result = fixture.engine.result(taskId).catch((error: unknown) => error);

    await fixture.engine.close();

    expect(await result).toMatchObject({ code: "ENGINE_CLOSED" });
    await expect(fixture.engine.start(newTask(fixture))).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    await expect(fixture.engine.cancel(taskId, "")).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
  });
}

function testDecisions(suite: EngineSuite): void {
  it("S3 cancels an executing run at once: its signal aborts and its late result is recorded and never applied", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    const log: string[] = [];
    await fixture.engine.run([{ ...agentA, concurrency: 1 }], async (ctx) => {
      if (ctx.task.source === "next") return done("next");
      await ctx.step({ kind: "code", name: "stubborn" }, async ({ signal }) => {
        signal.addEventListener("abort", () => log.push((signal.reason as { readonly code: string }).code));
        await gate.opened;
        return value(1, [progress("late"), record("what it did")]);
      });
      log.push("went on");
      return done(null);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.settle();
    const next = await fixture.engine.start(newTask(fixture, { source: "next" }));

    expect(await fixture.engine.cancel(taskId, "wrong one")).toBe(true);

    expect(await fixture.engine.result(taskId)).toEqual({ status: "canceled", reason: "wrong one" });
    expect(await fixture.engine.result(next.taskId)).toMatchObject({ status: "done" });
    gate.open();
    await until(async () => (await fixture.recorded()).length > 0, "the late result is recorded");
    await quiet(fixture);
    expect(log).toEqual(["TASK_CANCELED"]);
    expect(await fixture.applied()).toEqual([]);
    expect(await fixture.recorded()).toEqual([expect.stringMatching(/^what it did\/late\//)]);
  });

  it("restarts a canceled task with a new run from its first step, and refuses one that goes on or is done", async () => {
    const fixture = await suite.create();
    let executed = 0;
    await fixture.engine.run([agentA], async (ctx) => {
      await code(ctx, "one", () => ++executed);
      if (executed < 2) await ctx.wait({ name: "w", reason: "signal", signal: "never" });
      return done(executed);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    await expect(fixture.engine.restart(taskId)).rejects.toMatchObject({ code: "TASK_STATE" });
    await fixture.engine.cancel(taskId, "again, please");

    await fixture.engine.restart(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: 2 });
    await expect(fixture.engine.restart(taskId)).rejects.toMatchObject({ code: "TASK_STATE" });
    await expect(fixture.engine.restart("t_unknown")).rejects.toMatchObject({ code: "TASK_UNKNOWN" });
  });

  it("gives a task that missed its deadline the same time again when it is restarted", async () => {
    const fixture = await suite.create();
    const { taskId } = await fixture.engine.start(newTask(fixture, { deadlineAtMs: fixture.clock.now() + 1_000 }));
    await fixture.clock.advance(5_000, () => fixture.settle());
    await fixture.engine.run([agentA], async () => done("in time"));
    await quiet(fixture);
    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "dead", reason: "deadline" });

    const restarted = await fixture.engine.restart(taskId);

    expect(restarted.deadlineAtMs).toBe(fixture.clock.now() + 1_000);
    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: "in time" });
  });
}
