import { describe, expect, it } from "vitest";
import type { TaskEnd } from "../record/task.ts";
import type { Execute } from "./engine.ts";
import { agentA, code, createGate, done, newTask, quiet, until, type EngineFixture, type EngineSuite } from "./engine-fixture.testsuite.ts";

const minuteMs = 60_000;
/** Five steps fit in, the sixth one does not. */
const agent = { ...agentA, activeMsMax: 55 * minuteMs };
const stepMs = 10 * minuteMs;

/** Executes steps that take ten minutes each, and sleeps after each `perSlot` of them. */
function working(fixture: () => EngineFixture, count: number, perSlot: number, napMs = stepMs): Execute {
  return async (ctx) => {
    for (let n = 1; n <= count; n++) {
      await code(ctx, `work ${n}`, async () => {
        const worked = createGate();
        fixture().clock.setTimer(stepMs, () => worked.open());
        await worked.opened;
        return n;
      });
      if (n % perSlot === 0) await ctx.wait({ name: "nap", reason: "timer", timeoutMs: napMs });
    }
    return done("worked");
  };
}

/** Moves time, ten minutes each, while bodies execute that end by timers of their own. */
async function pass(fixture: EngineFixture, times: number, ms = stepMs): Promise<void> {
  for (let time = 0; time < times; time++) {
    await fixture.settle();
    await fixture.clock.advance(ms, () => fixture.settle());
  }
  await fixture.settle();
}

async function untilDead(fixture: EngineFixture, taskId: string): Promise<TaskEnd> {
  await until(async () => (await fixture.engine.get(taskId))?.status === "dead", "the task is dead");
  return await fixture.engine.result(taskId);
}

export function testActiveTime(suite: EngineSuite): void {
  describe("active time", () => {
    it("ends a task whose code executes for longer than its agent allows, and does not wait for what ignores its signal", async () => {
      const fixture = await suite.create();
      let reason: unknown;
      await fixture.engine.run([agent], async (ctx) => {
        await ctx.step({ kind: "code", name: "deaf" }, async ({ signal }) => {
          signal.addEventListener("abort", () => (reason = signal.reason));
          return await new Promise<never>(() => undefined);
        });
        return done(null);
      });
      const { taskId } = await fixture.engine.start(newTask(fixture));
      await pass(fixture, 5);
      expect(await fixture.engine.get(taskId)).toMatchObject({ status: "running" });

      await pass(fixture, 1);

      const end = await untilDead(fixture, taskId);
      expect(end).toMatchObject({ status: "dead", reason: "active-time", failure: { code: "TASK_ACTIVE_TIME" } });
      expect(JSON.stringify(end)).toMatch(/executed for 55 min .*limits\.activeTime/);
      expect(reason).toMatchObject({ code: "TASK_ACTIVE_TIME" });
    });

    it("counts over slots, and does not count waits", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agent], working(() => fixture, 10, 1));
      const { taskId } = await fixture.engine.start(newTask(fixture));
      await pass(fixture, 9);
      expect(await fixture.engine.get(taskId), "after fifty minutes of work and forty of sleep").toMatchObject({ status: "waiting" });

      await pass(fixture, 2);

      expect(await untilDead(fixture, taskId)).toMatchObject({ reason: "active-time" });
      expect((await fixture.engine.steps(String((await fixture.engine.get(taskId))?.runId))).filter(({ kind }) => kind === "code")).toHaveLength(5);
    });

    it("leaves a task alone that works less and waits for days", async () => {
      const fixture = await suite.create();
      const dayMs = 1_440 * minuteMs;
      await fixture.engine.run([agent], working(() => fixture, 5, 1, dayMs));
      const { taskId } = await fixture.engine.start(newTask(fixture));
      for (let day = 0; day < 5; day++) {
        await pass(fixture, 1);
        await pass(fixture, 1, dayMs);
      }

      expect(await fixture.engine.get(taskId)).toMatchObject({ status: "done" });
    });

    it("goes on counting after a crash, from the last step that is known; the time until then does not count", async () => {
      let fixture = await suite.create();
      await fixture.engine.run([agent], working(() => fixture, 10, 100));
      const { taskId } = await fixture.engine.start(newTask(fixture));
      await pass(fixture, 3);
      fixture = await suite.crash(fixture);
      await fixture.clock.advance(600 * minuteMs, () => quiet(fixture));
      await fixture.engine.run([agent], working(() => fixture, 10, 100));
      await pass(fixture, 2);
      expect(await fixture.engine.get(taskId)).toMatchObject({ status: "running" });

      await pass(fixture, 1);

      expect(await untilDead(fixture, taskId)).toMatchObject({ reason: "active-time" });
    });

    it("begins anew when the task is restarted", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agent], working(() => fixture, 10, 100));
      const { taskId } = await fixture.engine.start(newTask(fixture));
      await pass(fixture, 6);
      await untilDead(fixture, taskId);

      await fixture.engine.restart(taskId);
      await pass(fixture, 5);

      expect(await fixture.engine.get(taskId)).toMatchObject({ status: "running" });
    });
  });
}
