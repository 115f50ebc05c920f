import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import type { EngineContext, StartOptions } from "./engine.ts";
import { agentA, code, createGate, done, newTask, runToEnd, until, type EngineFixture, type EngineSuite } from "./engine-fixture.testsuite.ts";

type Body = (ctx: EngineContext, step: (name: string) => Promise<Json>) => Promise<Json>;

/** A run that a crash cut off, and what its code executed before and since. */
interface CutOff {
  readonly fixture: EngineFixture;
  readonly taskId: string;
  readonly log: string[];
}

/**
 * Runs `before` until a step named "hangs" executes and nothing else does, crashes, and begins to run `after`. A step named "slow" ends when one named "quick" is known to have
 * ended. Other steps end at once.
 */
async function cutOff(suite: EngineSuite, version: string, before: Body, after: Body, options: StartOptions = {}): Promise<CutOff> {
  const log: string[] = [];
  const isQuick = createGate();
  let isCutOff = false;
  const execute = (body: Body) => async (ctx: EngineContext) => done(await body(ctx, async (name) => {
    const result = await code(ctx, name, async () => {
      log.push(name);
      if (name === "slow") await isQuick.opened;
      if (name === "hangs" && !isCutOff) await new Promise(() => undefined);
      return name;
    });
    if (name === "quick") isQuick.open();
    return result;
  }));
  let fixture = await suite.create();
  await fixture.engine.run([agentA], execute(before));
  const { taskId } = await fixture.engine.start(newTask(fixture), options);
  await until(async () => {
    await fixture.settle();
    return log.includes("hangs");
  }, "a step hangs");
  isCutOff = true;
  fixture = await suite.crash(fixture);
  await fixture.engine.run([{ ...agentA, version }], execute(after));
  return { fixture, taskId, log };
}

/** An engine that is called again by another process, after a pause in real time, would else seem to have nothing to do meanwhile: an hour of the clock passes in a millisecond. */
async function untilGoesOn(log: readonly string[]): Promise<void> {
  await until(() => log.filter((name) => name === "hangs").length === 2, "the step that hung is executed again");
}

async function untilParked({ fixture, taskId }: CutOff): Promise<void> {
  await until(async () => {
    await fixture.clock.advance(1_000, () => fixture.settle());
    return (await fixture.engine.get(taskId))?.waitingReason === "code-mismatch";
  }, "the run is parked");
}

const race = async (step: (name: string) => Promise<Json>, ...names: readonly string[]): Promise<Json> => {
  const all = names.map((name) => step(name));
  const winner = await Promise.race(all);
  return [winner, await Promise.all(all)];
};

const go = (ctx: EngineContext) => ctx.wait({ name: "go", reason: "signal", signal: "go" });

export function testChangedCode(suite: EngineSuite): void {
  describe.each([["of another version", "2"], ["of the same version", "1"]])("code %s that changed while a crash had cut off its run", (_, version) => {
    testGoesOn(suite, version);
    testParked(suite, version);
  });
}

function testGoesOn(suite: EngineSuite, version: string): void {
  it("E2 E8 E9 is told what had completed, in the order in which the old code was told, and goes on", async () => {
    const { fixture, taskId, log } = await cutOff(
      suite, version,
      async (_ctx, step) => [await step("first"), await race(step, "slow", "quick"), await step("hangs")],
      async (_ctx, step) => [await step("first"), await race(step, "quick", "slow"), await step("new"), await step("hangs")],
    );

    await untilGoesOn(log);
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: ["first", ["quick", ["quick", "slow"]], "new", "hangs"] });
    expect(log.toSorted()).toEqual(["first", "hangs", "hangs", "new", "quick", "slow"]);
    const task = await fixture.engine.get(taskId);
    expect((await fixture.engine.steps(String(task?.runId))).map(({ name }) => name)).toEqual(["first", "quick", "slow", "new", "hangs"]);
    expect(task).toMatchObject({ recoveries: 1 });
  });

  it("E8 E9 is told what waits came to among its steps, and goes on to wait for the others", async () => {
    const nap = (ctx: EngineContext, ms: number) => ctx.wait({ name: `nap of ${ms}`, reason: "timer", timeoutMs: ms });
    const { fixture, taskId, log } = await cutOff(
      suite, version,
      async (ctx, step) => await Promise.all([nap(ctx, 0).then(() => step("hangs")), go(ctx), step("one")]),
      async (ctx, step) => await Promise.all([go(ctx), step("one"), nap(ctx, 0).then(() => step("hangs"))]),
    );
    await fixture.engine.signal(String((await fixture.engine.get(taskId))?.runId), "go", "went", "1");

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: [{ by: "signal", payload: "went" }, "one", "hangs"] });
    expect(log).toEqual(["one", "hangs", "hangs"]);
  });

  it("E10 is told what the old code had been served in place of executing", async () => {
    const seed = ["one", "two"].map((name) => ({ kind: "code", name, occurrence: 1, outcome: { ok: true, value: `${name} served` } }) as const);
    const { fixture, taskId, log } = await cutOff(
      suite, version,
      async (_ctx, step) => [await step("before"), await race(step, "two", "one"), await step("behind"), await step("hangs")],
      async (_ctx, step) => [await step("before"), await race(step, "one", "two"), await step("behind"), await step("new"), await step("hangs")],
      { seed },
    );

    await untilGoesOn(log);
    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["before", ["one served", ["one served", "two served"]], "behind", "new", "hangs"] });
    expect(log).toEqual(["before", "behind", "hangs", "new", "hangs"]);
  });
}

function testParked(suite: EngineSuite, version: string): void {
  it("E9 is parked when it no longer takes the steps that had completed: both sides are named, and a skip serves the others", async () => {
    const cut = await cutOff(
      suite, version,
      async (_ctx, step) => [await step("one"), await step("gone"), await step("two"), await step("hangs")],
      async (_ctx, step) => [await step("one"), await step("two"), await step("hangs")],
    );
    const { fixture, taskId, log } = cut;
    await untilParked(cut);
    const [run] = await fixture.engine.runs(taskId);
    expect(run?.mismatch).toMatchObject({ code: "ENGINE_CODE_MISMATCH", details: { expected: "code gone (step 2)", came: "code two" } });
    expect(log).toEqual(["one", "gone", "two", "hangs"]);

    await fixture.engine.skip(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["one", "two", "hangs"] });
    expect(log).toEqual(["one", "gone", "two", "hangs", "hangs"]);
  });

  it("E9 is parked when it executes a step before it took those that had completed beside it", async () => {
    const cut = await cutOff(
      suite, version,
      async (_ctx, step) => await Promise.all([step("slow"), step("one").then(() => step("hangs"))]),
      async (_ctx, step) => await step("slow"),
    );

    await untilParked(cut);

    expect((await cut.fixture.engine.runs(cut.taskId))[0]?.mismatch).toMatchObject({ details: { expected: "code one (step 2)" } });
    expect(cut.log.toSorted()).toEqual(["hangs", "one", "slow"]);
  });

  it.each<[string, Body]>([
    ["ends", async (ctx) => { void go(ctx); return "early"; }],
    ["waits", async (ctx) => (await go(ctx)).by],
  ])("E9 is parked when it %s before it took the steps that had completed", async (_, early) => {
    const cut = await cutOff(suite, version, async (ctx, step) => [await Promise.all([go(ctx), step("one").then(() => step("hangs"))])], early);

    await untilParked(cut);

    expect((await cut.fixture.engine.runs(cut.taskId))[0]?.mismatch).toMatchObject({ details: { expected: "code one (step 2)" } });
    expect(cut.log).toEqual(["one", "hangs"]);
  });
}
