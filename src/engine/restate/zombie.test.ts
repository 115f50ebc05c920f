import { afterAll, describe, expect, it } from "vitest";
import { agentA, createGate, done, newTask, record, until, value } from "../engine-fixture.testsuite.ts";
import type { Execute, StepEnd } from "../engine.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

/** One step that claims a key, which others see, and writes a record, which is a fact. */
function charging(name: string, work: () => Promise<void>): Execute {
  return async (ctx) =>
    done(await ctx.step({ kind: "code", name: "charge" }, async (): Promise<StepEnd> => {
      await work();
      return value(name, [{ type: "key.claim", key: `by ${name}`, taskId: ctx.task.id, atMs: 0, expiresAtMs: Number.MAX_SAFE_INTEGER }, record(name)]);
    }));
}

describe("a worker that Restate cannot reach any more, whose step goes on", () => {
  it("commits too late, while another worker executes the step: refused, its facts kept as late, one outcome", async () => {
    const zombie = (await suite.create()) as RestateFixture;
    const held = createGate();
    let hasBegun = false;
    await zombie.engine.run([agentA], charging("zombie", async () => {
      hasBegun = true;
      await held.opened;
    }));
    const { taskId } = await zombie.engine.start(newTask(zombie));
    await until(() => hasBegun, "the step executes");
    // Restate's connections are cut, those to PostgreSQL are not.
    await zombie.engine.abandon();

    const other = (await suite.reopen(zombie)) as RestateFixture;
    await other.engine.run([agentA], charging("other", async () => {
      held.open();
      await until(async () => (await other.recorded()).length > 0, "the late commit");
    }));

    expect(await other.engine.result(taskId)).toMatchObject({ status: "done", output: "other" });
    expect(await other.recorded()).toEqual(["zombie/late/1.1", "other"]);
    expect(await other.observer.all("SELECT key FROM test_key")).toEqual([{ key: "by other" }]);
    const task = await other.engine.get(taskId);
    expect((await other.engine.steps(String(task?.runId))).map(({ name, outcome }) => [name, outcome])).toEqual([["charge", { ok: true, value: "other" }]]);
    expect(task).toMatchObject({ recoveries: 1 });
  });

  it("has a lower fence than the one that took over", async () => {
    const zombie = (await suite.create()) as RestateFixture;
    const fences: number[] = [];
    const execute = (hangs: boolean): Execute => async (ctx) => done(await ctx.step({ kind: "code", name: "step" }, async ({ fence }): Promise<StepEnd> => {
      fences.push(fence);
      return hangs ? await new Promise<never>(() => undefined) : value(null);
    }));
    await zombie.engine.run([agentA], execute(true));
    const { taskId } = await zombie.engine.start(newTask(zombie));
    await until(() => fences.length === 1, "the step executes");
    await zombie.engine.abandon();

    const other = (await suite.reopen(zombie)) as RestateFixture;
    await other.engine.run([agentA], execute(false));
    await other.engine.result(taskId);

    expect(fences).toHaveLength(2);
    expect(fences[1]).toBeGreaterThan(fences[0] ?? Number.POSITIVE_INFINITY);
  });

  it("is told to stop as soon as Restate is gone, before another worker goes on", async () => {
    const zombie = (await suite.create()) as RestateFixture;
    const told: AbortSignal[] = [];
    await zombie.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "code", name: "hang" }, async (execution): Promise<StepEnd> => {
      told.push(execution.signal);
      return await new Promise<never>(() => undefined);
    })));
    await zombie.engine.start(newTask(zombie));
    await until(() => told.length === 1, "the step executes");

    await zombie.engine.abandon();
    await until(() => told.every(({ aborted }) => aborted), "the step is told");

    expect(told[0]?.reason).toMatchObject({ code: "ENGINE_UNREACHABLE" });
  });
});
