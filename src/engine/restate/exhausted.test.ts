import { afterAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../engine.ts";
import { agentA, code, done, newTask, until } from "../engine-fixture.testsuite.ts";
import { restateSuite, type RestateFixture, workerName } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

const execute = async (ctx: EngineContext) => done(await code(ctx, "hangs", () => (ctx.task.source === "fine" ? Promise.resolve(null) : new Promise<null>(() => undefined))));

/** A worker executes the task for the time that it says. */
async function attempts(fixture: RestateFixture, taskId: string, recoveries: number): Promise<void> {
  await until(async () => {
    const task = await fixture.engine.get(taskId);
    return task?.end !== null || (task.recoveries === recoveries && fixture.engine.held().includes(taskId));
  }, `it executes after ${recoveries} crashes`);
}

const crash = async (fixture: RestateFixture): Promise<RestateFixture> => (await suite.crash(fixture)) as RestateFixture;

describe("a worker that died of exhausted memory", () => {
  it.each([
    ["three times: it is dead", [true, true, true], "dead", "In 3 of them the process ran out of memory."],
    ["twice among as many crashes as are allowed: it goes on", [true, true, false, false, false, false, false, false, false, false], "running", "undefined"],
  ] as const)("E12 is counted by the one that starts before anybody goes on with its tasks, %s", async (_, crashes, status, says) => {
    let fixture = (await suite.create()) as RestateFixture;
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    for (const [index, ranOutOfMemory] of crashes.entries()) {
      await attempts(fixture, taskId, index);
      expect(await fixture.engine.get(taskId)).toMatchObject({ end: null });
      const dead = workerName(fixture.place);
      fixture = await crash(fixture);
      // Two that start at once find the same.
      if (ranOutOfMemory) for (let time = 0; time < 2; time++) await fixture.engine.countExhausted([dead, "somebody else"]);
      await fixture.engine.run([agentA], execute);
    }
    await attempts(fixture, taskId, crashes.length);

    const task = await fixture.engine.get(taskId);
    expect(task).toMatchObject({ status, recoveries: crashes.length });
    expect(String(task?.end?.status === "dead" ? task.end.failure.message : undefined)).toContain(says);
  });

  it("E12 is counted when another one has gone on with its tasks before that was known: the next crash after the third ends the task", async () => {
    let fixture = (await suite.create()) as RestateFixture;
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    for (let index = 0; index < 3; index++) {
      await attempts(fixture, taskId, index);
      const dead = workerName(fixture.place);
      fixture = await crash(fixture);
      await fixture.engine.run([agentA], execute);
      await attempts(fixture, taskId, index + 1);
      for (let time = 0; time < 2; time++) await fixture.engine.countExhausted([dead]);
    }
    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "running", recoveries: 3 });

    fixture = await crash(fixture);
    await fixture.engine.run([agentA], execute);

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "dead", reason: "recovery-limit", evidence: { recoveries: 4 } });
  });

  it("is not counted of tasks that have come further since, nor of those that it did not have", async () => {
    let fixture = (await suite.create()) as RestateFixture;
    let isHanging = true;
    const hangsOnce = async (ctx: EngineContext) => {
      await code(ctx, "first", () => (isHanging && ctx.task.source !== "other" ? new Promise<null>(() => undefined) : null));
      return done(await code(ctx, "second", () => new Promise<null>(() => undefined)));
    };
    await fixture.engine.run([agentA], hangsOnce);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await attempts(fixture, taskId, 0);
    const dead = workerName(fixture.place);
    isHanging = false;
    fixture = await crash(fixture);
    await fixture.engine.run([agentA], hangsOnce);
    const { taskId: other } = await fixture.engine.start(newTask(fixture, { source: "other" }));
    await until(async () => (await fixture.observer.all("SELECT 1 FROM lh_task WHERE recoveries_without_progress = 0 AND attempt > 0 AND recoveries = CASE WHEN id = $1 THEN 1 ELSE 0 END", taskId)).length === 2, "the crash is counted, and both have come further");

    await fixture.engine.countExhausted([dead]);

    const counted = await fixture.observer.all("SELECT id FROM lh_task WHERE out_of_memory_without_progress > 0");
    expect(counted, `${taskId} and ${other}`).toEqual([]);
  });
});
