import { describe, expect, it } from "vitest";
import { compensationOf, saga, world } from "./compensation-world.testsuite.ts";
import type { DueQuery, DueTask, EngineContext } from "./engine.ts";
import { advance, agentA, code, done, type EngineFixture, type EngineSuite, newTask, quiet, runToEnd, until } from "./engine-fixture.testsuite.ts";

const dayMs = 86_400_000;

/** What is due a moment after it has ended. */
function dueOf(fixture: EngineFixture, query: Partial<DueQuery> = {}): Promise<readonly DueTask[]> {
  const nowMs = fixture.clock.now() + 1;
  return fixture.engine.retention.due({ agent: "a", endedBeforeMs: nowMs, deadBeforeMs: nowMs, listed: 1, limit: 100, ...query });
}

/** Forgets all that is due. Returns how many rows went by each call. */
async function forgetAll(fixture: EngineFixture, query: Partial<DueQuery> = {}, rowsMax = 100): Promise<readonly number[]> {
  const tasks = await dueOf(fixture, query);
  const rows: number[] = [];
  for (let went = 1; went > 0; ) {
    went = await fixture.engine.retention.forget(tasks, rowsMax);
    rows.push(went);
  }
  return rows;
}

async function threeSteps(ctx: EngineContext): ReturnType<typeof plain> {
  for (const name of ["x", "y", "z"]) await code(ctx, name, () => name);
  return await plain();
}

const plain = async () => done("ok");

async function ended(fixture: EngineFixture, count: number, agent = "a"): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const { taskId } = await fixture.engine.start(newTask(fixture, { agent }));
    await runToEnd(fixture, taskId);
    ids.push(taskId);
  }
  return ids;
}

export function testRetention(suite: EngineSuite): void {
  describe("retention", () => {
    testForgetting(suite);
    testKeeping(suite);
  });
}

function testForgetting(suite: EngineSuite): void {
  it("E15 forgets a task that has ended, with its runs and its journal, and keeps the journal of none that stays listed", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], threeSteps);
    const [first = "", last = ""] = await ended(fixture, 2);
    const runId = (await fixture.engine.get(last))?.runId ?? "";

    expect(await dueOf(fixture)).toMatchObject([{ id: first, isWhole: true }, { id: last, isWhole: false }]);
    await forgetAll(fixture);

    expect(await fixture.engine.get(first)).toBeNull();
    expect(await fixture.engine.runs(first)).toEqual([]);
    expect(await fixture.engine.get(last)).toMatchObject({ status: "done", end: { output: "ok" } });
    expect(await fixture.engine.steps(runId)).toEqual([]);
    expect(await dueOf(fixture), "nothing is left of it to be forgotten").toEqual([]);
  });

  it("E15 forgets few rows at a time, the last steps first", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], threeSteps);
    const [taskId = ""] = await ended(fixture, 1);
    const runId = (await fixture.engine.get(taskId))?.runId ?? "";
    const due = (await dueOf(fixture, { listed: 1 })).slice(0, 1);
    const names = async (): Promise<readonly string[]> => (await fixture.engine.steps(runId)).map(({ name }) => name);
    const all = await names();
    expect(all).toHaveLength(3);

    // A row may hold several steps.
    for (let left = all; left.length > 0; ) {
      expect(await fixture.engine.retention.forget(due, 1)).toBe(1);
      const now = await names();
      expect(now.length).toBeLessThan(left.length);
      expect(now).toEqual(all.slice(0, now.length));
      left = now;
    }
  });

  it("E15 forgets by the time of the end, and a dead letter by its own", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], (ctx) => (ctx.task.input === "bad" ? Promise.reject(new Error("broken")) : plain()));
    const [good = ""] = await ended(fixture, 1);
    const bad = await fixture.engine.start(newTask(fixture, { input: "bad" }));
    await runToEnd(fixture, bad.taskId);
    const nowMs = fixture.clock.now();
    await ended(fixture, 1);

    expect(await dueOf(fixture, { endedBeforeMs: nowMs - 1_000, deadBeforeMs: nowMs - 1_000 })).toEqual([]);
    expect((await dueOf(fixture, { deadBeforeMs: nowMs - 1_000 })).map(({ id }) => id)).toEqual([good]);
    expect((await dueOf(fixture, { endedBeforeMs: nowMs - 1_000 })).map(({ id }) => id)).toEqual([bad.taskId]);
  });

  it("E15 names the agents of which there are ended tasks", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA, { ...agentA, name: "b" }], plain);
    await ended(fixture, 1, "b");
    await ended(fixture, 2);

    expect(await fixture.engine.retention.agents()).toEqual(["a", "b"]);
  });
}

function testKeeping(suite: EngineSuite): void {
  it("E15 keeps what is open, and what an open run has called, until that ends", async () => {
    const fixture = await suite.create();
    let childId = "";
    await fixture.engine.run([agentA, { ...agentA, name: "b" }], async (ctx) => {
      if (ctx.task.agent === "a") return await plain();
      const end = await ctx.child({ kind: "child", name: "a" }, newTask(fixture, { id: `child-of-${ctx.task.id}` }));
      childId = end.taskId;
      await ctx.wait({ name: "go", reason: "signal", signal: "go" });
      return await plain();
    });
    const { taskId } = await fixture.engine.start(newTask(fixture, { agent: "b" }));
    await until(async () => (await fixture.engine.get(taskId))?.status === "waiting", "it waits");
    await quiet(fixture);

    expect([...(await dueOf(fixture, { listed: 1 })), ...(await dueOf(fixture, { agent: "b" }))]).toEqual([]);

    await ended(fixture, 1);
    await fixture.engine.signal((await fixture.engine.get(taskId))?.runId ?? "", "go", null, "s1");
    await runToEnd(fixture, taskId);
    expect((await dueOf(fixture)).map(({ id }) => id)).toEqual([childId]);
  });

  it("E15 keeps a task that was begun again meanwhile", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      await ctx.wait({ name: "go", reason: "timer", timeoutMs: dayMs });
      return await plain();
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(async () => (await fixture.engine.get(taskId))?.status === "waiting", "it waits");
    await fixture.engine.cancel(taskId, "enough");
    const due = await dueOf(fixture);
    expect(due).toMatchObject([{ id: taskId, isWhole: true }]);

    await fixture.engine.restart(taskId);

    expect(await fixture.engine.retention.forget(due, 100)).toBe(0);
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done" });
  });

  it("E15 keeps a run that is being undone, and that which undoes it for as long as it may be tried again", async () => {
    const fixture = await suite.create();
    const saw = world(() => Promise.reject(new Error("broken")));
    await fixture.engine.run([agentA], saga(saw));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await runToEnd(fixture, taskId);
    const compensation = await compensationOf(fixture, taskId);
    await runToEnd(fixture, compensation);
    await advance(fixture, dayMs);
    const nowMs = fixture.clock.now();

    // It was undone just now, as far as `endedBeforeMs` goes.
    expect(await dueOf(fixture, { endedBeforeMs: nowMs - 2 * dayMs, listed: 1 })).toEqual([]);
    expect((await dueOf(fixture, { listed: 1 })).map(({ id }) => id).toSorted()).toEqual([compensation, taskId].toSorted());
  });

  it("a call by the key of a task that was forgotten is refused, and does not wait for ever", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA, { ...agentA, name: "b" }], async (ctx) => {
      if (ctx.task.agent === "a") return await plain();
      const called = ctx.child({ kind: "child", name: "a" }, newTask(fixture, { id: `called-by-${ctx.task.id}`, key: "once" }));
      return done(await called.then(({ status }) => status, (error: unknown) => (error as { readonly code: string }).code));
    });
    const { taskId } = await fixture.engine.start(newTask(fixture, { key: "once" }));
    await runToEnd(fixture, taskId);
    await ended(fixture, 1);
    await forgetAll(fixture);
    expect(await fixture.engine.get(taskId)).toBeNull();

    const caller = await fixture.engine.start(newTask(fixture, { agent: "b" }));
    expect(await runToEnd(fixture, caller.taskId)).toMatchObject({ status: "done", output: "TASK_FORGOTTEN" });
  });
}
