import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import type { EngineContext, Execute } from "./engine.ts";
import type { LonghaulError } from "../base/error.ts";
import { advance, agentA, code, done, newTask, quiet, runToEnd, type EngineFixture, type EngineSuite } from "./engine-fixture.testsuite.ts";
import type { NewTask } from "../record/task.ts";

const agents = [agentA, { ...agentA, name: "child" }];
const call = { kind: "child", name: "call" } as const;

/** A parent that calls one child, and a child that does what `child` says. */
function parentOf(fixture: EngineFixture, child: Execute, fields: Partial<NewTask> = {}): Execute {
  return async (ctx) => (ctx.task.agent === "child" ? await child(ctx) : done((await ctx.child(call, newTask(fixture, { agent: "child", depth: 1, ...fields }))) as unknown as Json));
}

export function testChildren(suite: EngineSuite): void {
  describe("children", () => {
    testEnds(suite);
    testCancel(suite);

    it("fails the step when the child's queue is full", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agentA, { ...agentA, name: "child", queueMax: 0 }], async (ctx) => {
        const refusal = await ctx.child(call, newTask(fixture, { agent: "child" })).catch((error: unknown) => error);
        return done((refusal as LonghaulError).code);
      });
      const { taskId } = await fixture.engine.start(newTask(fixture));

      expect(await runToEnd(fixture, taskId)).toMatchObject({ output: "QUEUE_FULL" });
    });

    it("S5 refuses a child whose key leads to a task that waits for the one that asks", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agentA], async (ctx) => {
        const refusal = await ctx.child(call, newTask(fixture, { key: "self" })).catch((error: unknown) => error);
        return done((refusal as LonghaulError).code);
      });
      const { taskId } = await fixture.engine.start(newTask(fixture, { key: "self" }));

      expect(await runToEnd(fixture, taskId)).toMatchObject({ output: "TASK_STATE" });
    });

    it("waits for the task that holds the child's key, and takes its end when it has ended", async () => {
      const fixture = await suite.create();
      let executed = 0;
      await fixture.engine.run(agents, parentOf(fixture, async (ctx) => done(await code(ctx, "count", () => ++executed)), { key: "shared" }));

      const started = await Promise.all([1, 2, 3].map(() => fixture.engine.start(newTask(fixture))));
      await quiet(fixture);
      const later = await fixture.engine.start(newTask(fixture));

      for (const { taskId } of [...started, later]) expect(await runToEnd(fixture, taskId)).toMatchObject({ output: { status: "done", output: 1 } });
      expect(executed).toBe(1);
    });
  });
}

function testEnds(suite: EngineSuite): void {
  it("gives the parent the end of its child, whatever it is, over crashes at every stage", async () => {
    let fixture = await suite.create();
    const execute = (): Execute =>
      parentOf(fixture, async (ctx) => {
        await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 60_000 });
        throw new RangeError("child's own");
      });
    await fixture.engine.run(agents, execute());
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "waiting", waitingReason: "child" });
    const parentRunId = (await fixture.engine.get(taskId))?.runId;
    expect((await fixture.engine.list({ agent: "child" }))[0]).toMatchObject({ parentRunId, status: "waiting" });

    fixture = await suite.crash(fixture);
    await fixture.engine.run(agents, execute());
    await quiet(fixture);
    fixture = await suite.crash(fixture);
    await fixture.engine.run(agents, execute());
    const end = await runToEnd(fixture, taskId);

    expect(end).toMatchObject({ status: "done", output: { status: "dead", reason: "failed", failure: { name: "RangeError", message: "child's own" } } });
    expect(await fixture.engine.list({ agent: "child" })).toHaveLength(1);
  });

  it("S51 commits the child's end and the parent's completion together: no crash leaves a waiting parent behind", async () => {
    let fixture = await suite.create();
    const execute = (): Execute => parentOf(fixture, async () => done("child's"));
    await fixture.engine.run(agents, execute());
    const { taskId } = await fixture.engine.start(newTask(fixture));
    let end = false;
    void fixture.engine.result(taskId).then(() => (end = true), () => undefined);

    // Crashes whenever the child has ended and its parent has not.
    for (let crash = 0; crash < 5 && !end; crash++) {
      await fixture.settle();
      const [child] = await fixture.engine.list({ agent: "child" });
      const parent = await fixture.engine.get(taskId);
      expect([child?.status, parent?.status]).not.toEqual(["done", "waiting"]);
      fixture = await suite.crash(fixture);
      await fixture.engine.run(agents, execute());
    }

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: { status: "done", output: "child's" } });
  });

  it("runs many children at once and collects them in order of asking", async () => {
    const fixture = await suite.create();
    await fixture.engine.run(agents, async (ctx: EngineContext) => {
      if (ctx.task.agent === "child") {
        await ctx.wait({ name: "nap", reason: "timer", timeoutMs: Number(ctx.task.input) });
        return done(ctx.task.input);
      }
      const ends = await Promise.all([30, 10, 20].map((ms) => ctx.child(call, newTask(fixture, { agent: "child", input: ms }))));
      return done(ends.map((end) => (end.status === "done" ? end.output : null)));
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: [30, 10, 20] });
  });
}

function testCancel(suite: EngineSuite): void {
  it("cancels a task with its children at once, and the parent of a canceled child goes on", async () => {
    const fixture = await suite.create();
    await fixture.engine.run(agents, parentOf(fixture, async (ctx) => {
      await ctx.wait({ name: "long", reason: "signal", signal: "never" });
      return done(null);
    }));
    const upper = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const [firstChild] = await fixture.engine.list({ agent: "child" });

    expect(await fixture.engine.cancel(upper.taskId, "not wanted")).toBe(true);
    expect(await fixture.engine.get(upper.taskId)).toMatchObject({ status: "canceled", end: { status: "canceled", reason: "not wanted" } });
    expect(await fixture.engine.get(String(firstChild?.id))).toMatchObject({ status: "canceled" });
    expect(await fixture.engine.cancel(upper.taskId, "again")).toBe(false);

    const other = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const [child] = await fixture.engine.list({ agent: "child", statuses: ["waiting"] });
    await fixture.engine.cancel(String(child?.id), "only the child");
    expect(await runToEnd(fixture, other.taskId)).toMatchObject({ status: "done", output: { status: "canceled", reason: "only the child" } });
    await expect(fixture.engine.cancel("t_unknown", "")).rejects.toMatchObject({ code: "TASK_UNKNOWN" });
  });

  it("ends a task at its deadline, with what it called", async () => {
    const fixture = await suite.create();
    await fixture.engine.run(agents, parentOf(fixture, async (ctx) => {
      await ctx.wait({ name: "long", reason: "signal", signal: "never" });
      return done(null);
    }));
    const { taskId } = await fixture.engine.start(newTask(fixture, { deadlineAtMs: fixture.clock.now() + 60_000 }));
    const queued = await fixture.engine.start(newTask(fixture, { agent: "elsewhere", deadlineAtMs: fixture.clock.now() + 60_000 }));
    await advance(fixture, 60_000);

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "dead", reason: "deadline", failure: { code: "TASK_DEADLINE" } });
    expect(await fixture.engine.result(queued.taskId)).toMatchObject({ status: "dead", reason: "deadline" });
    expect((await fixture.engine.list({ agent: "child" }))[0]).toMatchObject({ status: "canceled" });
  });

  it("cancels a child that its parent left behind", async () => {
    const fixture = await suite.create();
    await fixture.engine.run(agents, async (ctx) => {
      if (ctx.task.agent === "child") await ctx.wait({ name: "long", reason: "signal", signal: "never" });
      const timeout = ctx.wait({ name: "timeout", reason: "timer", timeoutMs: 1_000 });
      return done(await Promise.race([ctx.child(call, newTask(fixture, { agent: "child" })).then(() => "child"), timeout.then(() => "timeout")]));
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: "timeout" });
    expect((await fixture.engine.list({ agent: "child" }))[0]).toMatchObject({ status: "canceled", end: { reason: expect.stringContaining("called this one") as string } });
  });
}
