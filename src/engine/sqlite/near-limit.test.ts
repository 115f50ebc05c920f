import { afterAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../engine.ts";
import { agentA, code, done, type EngineFixture, newTask, quiet, runToEnd } from "../engine-fixture.testsuite.ts";
import { sqliteSuite } from "./sqlite-fixture.testsuite.ts";

const suite = sqliteSuite({ stepsPerRunMax: 10, journalBytesPerRunMax: 10_000 });

/** What was told of limits, in order. */
const told = ({ changes }: EngineFixture) => changes.flatMap(({ nearLimit, task }) => (nearLimit === undefined ? [] : [{ ...nearLimit, status: task.status }]));

async function steps(ctx: EngineContext, count: number, bytes: number): Promise<void> {
  for (let step = 1; step <= count; step++) await code(ctx, `step ${step}`, () => "x".repeat(bytes));
}

describe("limits of a run", () => {
  afterAll(() => suite.destroy());

  it("are not told of while they are far, and do not hinder a run that stays within them", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      await steps(ctx, 7, 1_000);
      return done(null);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done" });
    expect(told(fixture)).toEqual([]);
  });

  it("announce the steps at four fifths, once, and end the run above the whole", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      await steps(ctx, Number(ctx.task.input), 1);
      return done("all");
    });
    const within = await fixture.engine.start(newTask(fixture, { input: 10 }));
    const over = await fixture.engine.start(newTask(fixture, { input: 11 }));

    expect(await runToEnd(fixture, within.taskId)).toMatchObject({ status: "done", output: "all" });
    expect(await runToEnd(fixture, over.taskId)).toMatchObject({ status: "dead", reason: "step-limit", failure: { code: "ENGINE_STEP_LIMIT", message: expect.stringMatching(/^Run r_\w+ asked for more than 10 steps\. Split/) } });
    expect(told(fixture)).toEqual([{ limit: "steps", value: 8, max: 10, status: "running" }, { limit: "steps", value: 8, max: 10, status: "running" }]);
    expect(fixture.changes.at(-1)).toMatchObject({ task: { status: "dead" } });
  });

  it("announce the bytes of the journal, and end the run that goes over them: what it did is kept", async () => {
    const fixture = await suite.create();
    const log: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => {
      for (const name of ["one", "two", "three", "four"]) {
        await code(ctx, name, () => {
          log.push(name);
          return "x".repeat(4_200);
        });
      }
      return done(null);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));

    const end = await runToEnd(fixture, taskId);

    expect(end).toMatchObject({ status: "dead", reason: "journal-limit", failure: { code: "ENGINE_JOURNAL_LIMIT", details: { journalBytes: 3 * 4_222, journalBytesPerRunMax: 10_000 } } });
    expect(told(fixture)).toEqual([{ limit: "journal-bytes", value: 2 * 4_222, max: 10_000, status: "running" }]);
    expect(log).toEqual(["one", "two", "three"]);
    expect(await fixture.engine.steps(String((await fixture.engine.get(taskId))?.runId))).toHaveLength(3);
  });

  it("count failures too", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      for (const name of ["one", "two", "three"]) await code(ctx, name, () => { throw new Error("x".repeat(1_000_000)); }).catch(() => null);
      return done(null);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "dead", reason: "journal-limit", failure: { code: "ENGINE_JOURNAL_LIMIT" } });
  });

  it("count what was taken before a crash, in the same bytes", async () => {
    let fixture: EngineFixture = await suite.create();
    const execute = async (ctx: EngineContext) => {
      await steps(ctx, 2, 4_200);
      await ctx.wait({ name: "go", reason: "signal", signal: "go" });
      await code(ctx, "last", () => "x".repeat(4_200));
      await steps(ctx, 1, 1);
      return done(null);
    };
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([agentA], execute);
    await fixture.engine.signal(String((await fixture.engine.get(taskId))?.runId), "go", null, "1");

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "dead", reason: "journal-limit" });
    expect(told(fixture)).toEqual([{ limit: "journal-bytes", value: 2 * 4_222, max: 10_000, status: "running" }]);
  });
});
