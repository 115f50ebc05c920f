import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import type { EngineContext } from "./engine.ts";
import { agentA, code, createGate, done, newTask, quiet, runToEnd, until, value, type EngineFixture, type EngineSuite, type Gate } from "./engine-fixture.testsuite.ts";

type Body = (ctx: EngineContext, gates: Readonly<Record<string, Gate>>) => Promise<Json>;

/** Runs `body` up to a wait for the signal "go", crashes, and runs it again to the end. Returns what the body came to before and after. */
async function replayed(suite: EngineSuite, body: Body, open: readonly string[]): Promise<{ readonly before: Json; readonly after: Json; readonly fixture: EngineFixture }> {
  let fixture = await suite.create();
  const gates = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, createGate()]));
  const results: Json[] = [];
  const execute = async (ctx: EngineContext) => {
    results.push(await body(ctx, gates));
    await ctx.wait({ name: "go", reason: "signal", signal: "go" });
    return done(null);
  };
  await fixture.engine.run([agentA], execute);
  const { taskId } = await fixture.engine.start(newTask(fixture));
  for (const name of open) {
    for (let turn = 0; turn < 3; turn++) await until(() => true, "a turn");
    gates[name]?.open();
    await fixture.settle();
  }
  await until(() => results.length === 1, "the body came to the wait");
  await quiet(fixture);
  const runId = String((await fixture.engine.get(taskId))?.runId);
  fixture = await suite.crash(fixture);
  await fixture.engine.run([agentA], execute);
  await fixture.engine.signal(runId, "go", null, "1");
  await runToEnd(fixture, taskId);
  return { before: results[0] ?? null, after: results[1] ?? null, fixture };
}

function held(ctx: EngineContext, name: string, gate: Gate | undefined, log: string[] = []): Promise<Json> {
  return code(ctx, name, async () => {
    log.push(name);
    await gate?.opened;
    return name;
  });
}

export function testReplay(suite: EngineSuite): void {
  describe("replay", () => {
    testCombinators(suite);
    testRecognition(suite);
    testParked(suite);
    testSeeds(suite);
  });
}

function testCombinators(suite: EngineSuite): void {
  it("E8 gives a race the same winner after a restart, though its loser has completed since", async () => {
    const log: string[] = [];
    const { before, after, fixture } = await replayed(
      suite,
      async (ctx, gates) => {
        const winner = await Promise.race([held(ctx, "a", gates["a"], log), held(ctx, "b", gates["b"], log)]);
        await held(ctx, "c", gates["c"], log);
        return winner;
      },
      ["b", "a", "c"],
    );

    expect(before).toBe("b");
    expect(after).toBe("b");
    // The loser begins whenever it does; nothing executes twice.
    expect(log.toSorted()).toEqual(["a", "b", "c"]);
    expect(log.indexOf("b")).toBeLessThan(log.indexOf("c"));
    const [task] = await fixture.engine.list({});
    expect((await fixture.engine.steps(String(task?.runId))).map((step) => step.name)).toEqual(["b", "a", "c", "go"]);
  });

  it("E8 replays nested Promise.all, allSettled and any as they went", async () => {
    const { before, after } = await replayed(
      suite,
      async (ctx, gates) => {
        const order: string[] = [];
        const branch = async (name: string): Promise<Json> => {
          const first = await held(ctx, name, gates[name]);
          order.push(`${name} 1`);
          const rest = await Promise.all([held(ctx, `${name}x`, undefined), held(ctx, `${name}y`, undefined)]);
          order.push(`${name} 2`);
          return [first, ...rest];
        };
        const any = Promise.any([branch("a"), branch("b")]);
        const failing = code(ctx, "fails", () => {
          throw new Error("always");
        });
        const all = await Promise.allSettled([any, branch("c"), failing]);
        return [order, all.map((entry) => (entry.status === "fulfilled" ? entry.value : (entry.reason as Error).message))];
      },
      ["c", "b", "a"],
    );

    expect(before).toEqual([expect.arrayContaining(["c 1", "b 1"]), [["b", "bx", "by"], ["c", "cx", "cy"], "always"]]);
    expect(after).toEqual(before);
  });

  it("E8 delivers completions one at a time: code between two sees only the first", async () => {
    const { before, after } = await replayed(
      suite,
      async (ctx) => {
        const seen: string[] = [];
        const note = async (name: string): Promise<void> => {
          await code(ctx, name, () => null);
          for (let microtask = 0; microtask < 50; microtask++) await Promise.resolve();
          seen.push(`${name} done`);
        };
        await Promise.all(["one", "two", "three"].map(note));
        return seen;
      },
      [],
    );

    // In whichever order they complete, each is seen alone, and a replay sees the same.
    expect((before as string[]).toSorted()).toEqual(["one done", "three done", "two done"]);
    expect(after).toEqual(before);
  });

  it("E8 gives the same time and the same chance at each replay", async () => {
    const { before, after } = await replayed(
      suite,
      async (ctx) => {
        const drawn = [ctx.random(), ctx.now()];
        await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 0 });
        await code(ctx, "one", () => null);
        return [...drawn, ctx.random(), ctx.now()];
      },
      ["a"],
    );

    expect(after).toEqual(before);
  });
}

function testRecognition(suite: EngineSuite): void {
  it("E9 recognises a step by its name as the file holds it: of half a character it keeps none", async () => {
    const log: string[] = [];
    const { before, after } = await replayed(suite, async (ctx) => [await held(ctx, "call \ud83d", undefined, log), await held(ctx, "call \ude00", undefined, log)], []);

    expect(after).toEqual(before);
    expect(log).toHaveLength(2);
  });

  it("E9 goes on with changed code as long as its completed steps are the same", async () => {
    let fixture = await suite.create();
    const log: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => {
      await held(ctx, "one", undefined, log);
      await ctx.wait({ name: "go", reason: "signal", signal: "go" });
      return done("old");
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "2" }], async (ctx) => {
      await held(ctx, "one", undefined, log);
      await ctx.wait({ name: "go", reason: "human", signal: "go", timeoutMs: 9 });
      await held(ctx, "new", undefined, log);
      return done("new");
    });

    await fixture.engine.signal(String((await fixture.engine.get(taskId))?.runId), "go", null, "1");

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: "new" });
    expect(log).toEqual(["one", "new"]);
  });

  it("E9 gives every step a number of its own: what new code takes in the place of an old step comes behind what is stored", async () => {
    let fixture = await suite.create();
    const body = (isNew: boolean) => async (ctx: EngineContext) => {
      const nap = ctx.wait({ name: "nap", reason: "timer", timeoutMs: 60_000 });
      const added = isNew ? code(ctx, "added", () => null) : null;
      await code(ctx, "old", () => null);
      await Promise.all([nap, added]);
      await code(ctx, "last", () => null);
      return done(null);
    };
    await fixture.engine.run([agentA], body(false));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "2" }], body(true));
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done" });

    const steps = await fixture.engine.steps(String((await fixture.engine.get(taskId))?.runId));
    expect(steps.map(({ name, number }) => [name, number])).toEqual([["old", 2], ["nap", 1], ["added", 3], ["last", 4]]);
  });

  it("E9 parks a run whose code no longer takes its steps, names both sides, executes nothing, and lets others go on", async () => {
    let fixture = await suite.create();
    const log: string[] = [];
    const body = (first: string) => async (ctx: EngineContext) => {
      await held(ctx, first, undefined, log);
      await ctx.wait({ name: "go", reason: "signal", signal: "go" });
      return done(first);
    };
    await fixture.engine.run([agentA], body("expected"));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const runId = String((await fixture.engine.get(taskId))?.runId);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "2" }], async (ctx) => (ctx.task.source === "other" ? done("fine") : await body("came")(ctx)));
    await fixture.engine.signal(runId, "go", null, "1");
    const other = await fixture.engine.start(newTask(fixture, { source: "other" }));
    await fixture.clock.advance(6_000, () => quiet(fixture));

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "waiting", waitingReason: "code-mismatch" });
    expect(await fixture.engine.result(other.taskId)).toMatchObject({ status: "done", output: "fine" });
    expect(log).toEqual(["expected"]);
    const parked = fixture.changes.find((change) => change.failure !== undefined);
    expect(parked?.failure).toMatchObject({ code: "ENGINE_CODE_MISMATCH" });
    expect(parked?.failure?.message).toMatch(/expected code expected \(step 1\), came code came\. /);

    await fixture.engine.restart(taskId);
    await quiet(fixture);
    await fixture.engine.signal(String((await fixture.engine.get(taskId))?.runId), "go", null, "1");
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: "came" });
  });

  it("E9 goes on with a parked run when the code that it began with is back", async () => {
    let fixture = await suite.create();
    const body = (name: string) => async (ctx: EngineContext) => {
      await code(ctx, name, () => null);
      await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 1 });
      return done(name);
    };
    await fixture.engine.run([agentA], body("old"));
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "2" }], async () => done("ended at once"));
    await fixture.clock.advance(10_000, () => quiet(fixture));
    expect(await fixture.engine.get(taskId)).toMatchObject({ waitingReason: "code-mismatch" });

    fixture = await suite.crash(fixture);
    await fixture.engine.run([agentA], body("old"));

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: "old" });
  });
}

function testParked(suite: EngineSuite): void {
  it("E9 tries a parked run again with other code only, not each time that the same code starts", async () => {
    let fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      await code(ctx, "old", () => null);
      return done((await ctx.wait({ name: "go", reason: "signal", signal: "go" })).by);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    fixture = await suite.crash(fixture);
    const changed = { ...agentA, version: "2" };
    const other = async (ctx: EngineContext) => done(await code(ctx, "other", () => null));
    await fixture.engine.run([changed], other);
    await fixture.engine.signal(String((await fixture.engine.get(taskId))?.runId), "go", null, "1");
    await fixture.clock.advance(10_000, () => quiet(fixture));
    expect(await fixture.engine.get(taskId)).toMatchObject({ waitingReason: "code-mismatch" });
    fixture = await suite.crash(fixture);

    await fixture.engine.run([changed], other);
    await fixture.clock.advance(10_000, () => quiet(fixture));

    expect(fixture.changes).toEqual([]);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([{ ...agentA, version: "3" }], other);
    await fixture.clock.advance(10_000, () => quiet(fixture));
    expect(fixture.changes.map(({ task }) => task.status)).toEqual(["queued", "running", "waiting"]);
  });
}

function testSeeds(suite: EngineSuite): void {
  it("E10 serves seeded outcomes before executing, and journals them", async () => {
    const fixture = await suite.create();
    const log: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => {
      const one = await held(ctx, "one", undefined, log);
      const failure = await held(ctx, "two", undefined, log).catch((error: unknown) => (error as Error).message);
      const nap = await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 1_000_000 });
      return done([one, failure, nap, await held(ctx, "three", undefined, log)]);
    });
    const failure = { name: "Error", code: null, message: "seeded failure", retry: "never", details: {}, cause: null } as const;
    const seed = [
      { kind: "code", name: "one", occurrence: 1, outcome: { ok: true, value: "seeded" } },
      { kind: "code", name: "two", occurrence: 1, outcome: { ok: false, failure } },
      { kind: "wait", name: "nap", occurrence: 1, outcome: { ok: true, value: { by: "timer" } } },
    ] as const;

    const { taskId } = await fixture.engine.start(newTask(fixture), { seed });
    await quiet(fixture);

    expect(await fixture.engine.result(taskId)).toMatchObject({ output: ["seeded", "seeded failure", { by: "timer" }, "three"] });
    expect(log).toEqual(["three"]);
    const steps = await fixture.engine.steps(String((await fixture.engine.get(taskId))?.runId));
    expect(steps.map(({ name, attempt }) => [name, attempt])).toEqual([["one", 0], ["two", 0], ["nap", 0], ["three", 1]]);
  });

  it("E10 restarts a dead task after a prefix of its own steps", async () => {
    const fixture = await suite.create();
    const log: string[] = [];
    let isBroken = true;
    await fixture.engine.run([agentA], async (ctx) => {
      await held(ctx, "paid", undefined, log);
      const second = await ctx.step({ kind: "code", name: "second" }, async () => {
        if (isBroken) throw new Error("broken");
        return value("mended");
      });
      return done(second);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const dead = await fixture.engine.get(taskId);
    expect(dead?.status).toBe("dead");
    const prefix = (await fixture.engine.steps(String(dead?.runId))).filter((step) => step.outcome.ok);
    isBroken = false;

    const restarted = await fixture.engine.restart(taskId, { seed: prefix });

    expect(restarted).toMatchObject({ status: "queued", runId: null, end: null, endedAtMs: null });
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: "mended" });
    expect(log).toEqual(["paid"]);
    expect((await fixture.engine.get(taskId))?.runId).not.toBe(dead?.runId);
  });
}
