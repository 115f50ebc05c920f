import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import type { TaskEnd } from "../record/task.ts";
import type { EngineContext } from "./engine.ts";
import { advance, agentA, code, createGate, done, newTask, progress, quiet, runToEnd, until, value, type EngineFixture, type EngineSuite } from "./engine-fixture.testsuite.ts";

type Body = (ctx: EngineContext) => Promise<Json>;

/** A step that says in `log` that it executed. */
function logged(ctx: EngineContext, name: string, log: string[], output: Json = name): Promise<Json> {
  return code(ctx, name, () => {
    log.push(name);
    return output;
  });
}

async function runIdOf({ engine }: EngineFixture, taskId: string): Promise<string> {
  return String((await engine.get(taskId))?.runId);
}

async function namesOf(fixture: EngineFixture, taskId: string): Promise<readonly (readonly [string, number])[]> {
  return (await fixture.engine.steps(await runIdOf(fixture, taskId))).map(({ name, attempt }) => [name, attempt]);
}

/** Runs `before` to its wait for "go", and `after` on a copy of the code that changed, to where it is parked. */
async function parked(suite: EngineSuite, before: Body, after: Body): Promise<{ readonly fixture: EngineFixture; readonly taskId: string; readonly runId: string }> {
  let fixture = await suite.create();
  await fixture.engine.run([agentA], async (ctx) => done(await before(ctx)));
  const { taskId } = await fixture.engine.start(newTask(fixture));
  await quiet(fixture);
  const runId = await runIdOf(fixture, taskId);
  fixture = await suite.crash(fixture);
  await fixture.engine.run([{ ...agentA, version: "2" }], async (ctx) => done(await after(ctx)));
  await fixture.engine.signal(runId, "go", null, "1");
  await advance(fixture, 6_000);
  expect(await fixture.engine.get(taskId)).toMatchObject({ status: "waiting", waitingReason: "code-mismatch" });
  return { fixture, taskId, runId };
}

const go = (ctx: EngineContext) => ctx.wait({ name: "go", reason: "signal", signal: "go" });

export function testSkip(suite: EngineSuite): void {
  describe("skip", () => {
    testServed(suite);
    testKept(suite);
  });
}

function testServed(suite: EngineSuite): void {
  it("E13 skips steps that the code no longer takes: those that it still takes are served", async () => {
    const log: string[] = [];
    const { fixture, taskId, runId } = await parked(
      suite,
      async (ctx) => [await logged(ctx, "one", log), await logged(ctx, "gone", log), await logged(ctx, "gone too", log), await logged(ctx, "two", log), (await go(ctx)).by],
      async (ctx) => [await logged(ctx, "one", log), await logged(ctx, "two", log), (await go(ctx)).by, await logged(ctx, "new", log)],
    );
    const [run] = await fixture.engine.runs(taskId);
    expect(run?.mismatch).toMatchObject({ code: "ENGINE_CODE_MISMATCH", details: { expected: "code gone (step 2)", came: "code two", expectedStep: { kind: "code", name: "gone", occurrence: 1, number: 2 } } });

    const skipped = await fixture.engine.skip(taskId, [progress("skipped")]);

    expect(skipped).toMatchObject({ status: "queued" });
    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["one", "two", "signal", "new"] });
    expect(log).toEqual(["one", "gone", "gone too", "two", "new"]);
    expect(await namesOf(fixture, taskId)).toEqual([["one", 0], ["two", 0], ["go", 0], ["new", 1]]);
    expect((await fixture.engine.runs(taskId)).map(({ fromRunId }) => fromRunId)).toEqual([null, runId]);
    expect(await fixture.applied()).toEqual(["skipped"]);
    // What was skipped is still in the journal of the run that took it.
    expect((await fixture.engine.steps(runId)).map(({ name }) => name)).toEqual(["one", "gone", "gone too", "two", "go"]);
  });

  it("E13 skips on: a step that came in between is executed, and the ones behind it are served", async () => {
    const log: string[] = [];
    const { fixture, taskId } = await parked(
      suite,
      async (ctx) => [await logged(ctx, "fetch", log), await logged(ctx, "store", log), (await go(ctx)).by],
      async (ctx) => [await logged(ctx, "check", log), await logged(ctx, "fetch", log), await logged(ctx, "store", log), (await go(ctx)).by],
    );

    await fixture.engine.skip(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["check", "fetch", "store", "signal"] });
    expect(log).toEqual(["fetch", "store", "check"]);
    expect(await namesOf(fixture, taskId)).toEqual([["check", 1], ["fetch", 0], ["store", 0], ["go", 0]]);
  });

  it("E13 gives each step of the run a number of its own, by which a fork of it serves what came before a step and nothing else", async () => {
    const log: string[] = [];
    const { fixture, taskId } = await parked(
      suite,
      async (ctx) => [await logged(ctx, "a", log), await logged(ctx, "b", log), (await go(ctx)).by],
      async (ctx) => [...(await Promise.all([logged(ctx, "x", log), logged(ctx, "a", log)])), await logged(ctx, "b", log), (await go(ctx)).by],
    );
    await fixture.engine.skip(taskId);
    await runToEnd(fixture, taskId);
    const runId = await runIdOf(fixture, taskId);
    expect((await fixture.engine.steps(runId)).map(({ number, name }) => `${number} ${name}`)).toEqual(["1 a", "2 x", "3 b", "4 go"]);

    for (const [below, executed] of [[2, ["x", "b"]], [3, ["b"]], [4, []]] as const) {
      log.length = 0;
      const fork = await fixture.engine.start(newTask(fixture), { prefix: { runId, below } });
      await quiet(fixture);
      await fixture.engine.signal(await runIdOf(fixture, fork.taskId), "go", null, "1");
      expect(await runToEnd(fixture, fork.taskId)).toMatchObject({ output: ["x", "a", "b", "signal"] });
      expect(log).toEqual(executed);
    }
  });

  it("E13 keeps a race's winner among what is served after a skip", async () => {
    const gates = { slow: createGate(), quick: createGate() };
    const log: string[] = [];
    const race = async (ctx: EngineContext): Promise<Json> => {
      const held = (name: "slow" | "quick"): Promise<Json> => code(ctx, name, async () => {
        log.push(name);
        await gates[name].opened;
        return name;
      });
      gates.quick.open();
      const winner = await Promise.race([held("slow"), held("quick")]);
      gates.slow.open();
      return [winner, await logged(ctx, `after ${String(winner)}`, log), (await go(ctx)).by];
    };
    const { fixture, taskId } = await parked(suite, async (ctx) => [await logged(ctx, "gone", log), await race(ctx)], race);

    await fixture.engine.skip(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["quick", "after quick", "signal"] });
    expect(log.toSorted()).toEqual(["after quick", "gone", "quick", "slow"]);
    expect([log.indexOf("gone"), log.indexOf("quick") < log.indexOf("after quick")]).toEqual([0, true]);
  });
}

function testKept(suite: EngineSuite): void {
  it("E13 keeps the task that the parked run called, and the keys of its effects", async () => {
    const keys: string[] = [];
    const children: string[] = [];
    const slowChild: Body = async (ctx) => {
      children.push(ctx.task.id);
      return (await ctx.wait({ name: "long", reason: "timer", timeoutMs: 86_400_000 })).by;
    };
    let fixture = await suite.create();
    let taskOfCall = 0;
    const call = (ctx: EngineContext): Promise<TaskEnd> => ctx.child({ kind: "child", name: "slow" }, newTask(fixture, { id: `called-${++taskOfCall}`, source: "child" }));
    const pay = (ctx: EngineContext, gate: Promise<void>): Promise<Json> => ctx.step({ kind: "tool", name: "pay" }, async ({ idempotencyKey }) => {
      keys.push(idempotencyKey);
      await gate;
      return value("paid");
    });
    const never = createGate();
    await fixture.engine.run([agentA], async (ctx) => {
      if (ctx.task.source === "child") return done(await slowChild(ctx));
      await code(ctx, "gone", () => null);
      const called = call(ctx);
      await pay(ctx, never.opened);
      return done((await called).status);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.clock.advance(1_000, () => fixture.settle());
    const before = await runIdOf(fixture, taskId);
    fixture = await suite.crash(fixture);
    const open = createGate();
    open.open();
    await fixture.engine.run([{ ...agentA, version: "2" }], async (ctx) => {
      if (ctx.task.source === "child") return done(await slowChild(ctx));
      const called = call(ctx);
      await pay(ctx, open.opened);
      return done((await called).status);
    });
    await until(() => taskOfCall === 2, "the changed code has begun");
    await advance(fixture, 6_000);
    expect(await fixture.engine.get(taskId)).toMatchObject({ waitingReason: "code-mismatch" });

    await fixture.engine.skip(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: "done" });
    expect(keys).toEqual([`${before}/tool/pay/1`, `${before}/tool/pay/1`]);
    expect(new Set(children).size).toBe(1);
    expect(await fixture.engine.list({ limit: 10 })).toHaveLength(2);
  });

  it("E13 keeps the times of what it serves: a sleep that is asked for again ends when it would have", async () => {
    let fixture = await suite.create();
    const hour = 3_600_000;
    const body = (names: readonly string[]) => async (ctx: EngineContext) => {
      for (const name of names) await code(ctx, name, () => null);
      await Promise.race([ctx.wait({ name: "nap", reason: "timer", timeoutMs: 10 * hour }), go(ctx)]);
      await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 10 * hour });
      return done(ctx.now());
    };
    await fixture.engine.run([agentA], body(["one", "two"]));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    await advance(fixture, hour);
    const wentAtMs = fixture.clock.now();
    await fixture.engine.signal(await runIdOf(fixture, taskId), "go", null, "1");
    await advance(fixture, hour);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "2" }], body(["two"]));
    // The first nap ends: the run is resumed, and its code found to be another.
    await advance(fixture, 8 * hour + 6_000);
    expect(await fixture.engine.get(taskId)).toMatchObject({ waitingReason: "code-mismatch" });

    await fixture.engine.skip(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: wentAtMs + 10 * hour });
  });

  it("E13 keeps when a forked run was begun: a sleep of it that is asked for again after a skip does not end as if it had begun with the other run", async () => {
    const hour = 3_600_000;
    const body = (names: readonly string[]): Body => async (ctx) => {
      await code(ctx, "one", () => null);
      const nap = ctx.wait({ name: "nap", reason: "timer", timeoutMs: 10 * hour });
      for (const name of ["two", ...names]) await code(ctx, name, () => null);
      await go(ctx);
      await nap;
      return ctx.now();
    };
    let fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => done(await body(["gone"])(ctx)));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const first = await runIdOf(fixture, taskId);
    await fixture.engine.cancel(taskId, "later");
    await advance(fixture, 20 * hour);
    await fixture.engine.restart(taskId, { prefix: { runId: first, below: 4 } });
    const forkedAtMs = fixture.clock.now();
    await quiet(fixture);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "2" }], async (ctx) => done(await body([])(ctx)));
    await fixture.engine.signal(await runIdOf(fixture, taskId), "go", null, "1");
    await advance(fixture, 6_000);
    expect(await fixture.engine.get(taskId)).toMatchObject({ waitingReason: "code-mismatch" });

    await fixture.engine.skip(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: forkedAtMs + 10 * hour });
  });

  it("E13 skips a second time, when the code changed again, and serves what the first time left", async () => {
    const log: string[] = [];
    const steps = (names: readonly string[]): Body => async (ctx) => {
      const outputs: Json[] = [];
      for (const name of names) outputs.push(await logged(ctx, name, log));
      return [...outputs, (await go(ctx)).by];
    };
    const { fixture: first, taskId } = await parked(suite, steps(["a", "b", "c", "d"]), async (ctx) => {
      const taken = await steps(["b"])(ctx);
      await ctx.wait({ name: "again", reason: "signal", signal: "again" });
      return taken;
    });
    await first.engine.skip(taskId);
    await quiet(first);
    const fixture = await suite.crash(first);
    await fixture.engine.run([{ ...agentA, version: "3" }], async (ctx) => done(await steps(["c", "d"])(ctx)));
    await fixture.engine.signal(await runIdOf(fixture, taskId), "again", null, "2");
    await advance(fixture, 6_000);

    await fixture.engine.skip(taskId);

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["c", "d", "signal"] });
    expect(log).toEqual(["a", "b", "c", "d"]);
  });

  it("E13 cancels the call of the parked run with the task that went on, and gives it the signals that nothing took", async () => {
    let fixture = await suite.create();
    const body = (isNew: boolean) => async (ctx: EngineContext) => {
      if (ctx.task.source === "child") return done((await go(ctx)).by);
      if (!isNew) await code(ctx, "gone", () => null);
      const called = ctx.child({ kind: "child", name: "slow" }, newTask(fixture, { id: `slow of ${ctx.task.id}`, source: "child" }));
      await go(ctx);
      const early = await ctx.wait({ name: "early", reason: "signal", signal: "early" });
      await code(ctx, "went on", () => early);
      return done((await called).status);
    };
    await fixture.engine.run([agentA], body(false));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const parkedRunId = await runIdOf(fixture, taskId);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "2" }], body(true));
    await fixture.engine.signal(parkedRunId, "early", "bird", "2");
    await fixture.engine.signal(parkedRunId, "go", null, "1");
    await advance(fixture, 6_000);

    await fixture.engine.skip(taskId);
    await quiet(fixture);

    const steps = await fixture.engine.steps(await runIdOf(fixture, taskId));
    expect(steps.find(({ name }) => name === "went on")?.outcome).toEqual({ ok: true, value: { by: "signal", payload: "bird" } });
    expect(await fixture.engine.get(`slow of ${taskId}`)).toMatchObject({ status: "waiting" });
    await fixture.engine.cancel(taskId, "enough");
    expect(await fixture.engine.get(`slow of ${taskId}`)).toMatchObject({ status: "canceled" });
  });

  it("E13 leaves out a sleep that the code asks for no more: its end parks nothing", async () => {
    const { fixture, taskId } = await parked(
      suite,
      async (ctx) => {
        void ctx.wait({ name: "nap", reason: "timer", timeoutMs: 36_000_000 });
        await code(ctx, "gone", () => null);
        return (await go(ctx)).by;
      },
      async (ctx) => [(await go(ctx)).by, (await ctx.wait({ name: "end", reason: "signal", signal: "end" })).by],
    );
    await fixture.engine.skip(taskId);

    await advance(fixture, 72_000_000);

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "waiting", waitingReason: "signal" });
    await fixture.engine.signal(await runIdOf(fixture, taskId), "end", null, "2");
    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["signal", "signal"] });
  });

  it("E13 refuses to skip where no run is parked", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async () => done(null));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await runToEnd(fixture, taskId);

    await expect(fixture.engine.skip(taskId)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("is done") });
    await expect(fixture.engine.skip("t_unknown")).rejects.toMatchObject({ code: "TASK_UNKNOWN" });
  });
}
