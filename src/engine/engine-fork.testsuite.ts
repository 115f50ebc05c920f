import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import type { EngineAgent, EngineContext } from "./engine.ts";
import { advance, agentA, code, createGate, done, newTask, progress, quiet, runToEnd, until, value, type EngineFixture, type EngineSuite } from "./engine-fixture.testsuite.ts";

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

export function testFork(suite: EngineSuite): void {
  describe("fork", () => {
    testPrefix(suite);
    testTimeAndChance(suite);
    testVersions(suite);
  });
}

function testPrefix(suite: EngineSuite): void {
  it("E13 begins a new task with the first steps of one that is done: they are served, the others execute", async () => {
    const fixture = await suite.create();
    const log: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => done([await logged(ctx, "one", log), await logged(ctx, "two", log), await logged(ctx, "three", log)]));
    const first = newTask(fixture);
    await fixture.engine.start(first);
    await runToEnd(fixture, first.id);
    const origin = await runIdOf(fixture, first.id);

    const second = newTask(fixture);
    await fixture.engine.start(second, { prefix: { runId: origin, below: 3 } });

    expect(await runToEnd(fixture, second.id)).toMatchObject({ status: "done", output: ["one", "two", "three"] });
    expect(log).toEqual(["one", "two", "three", "three"]);
    expect(await namesOf(fixture, second.id)).toEqual([["one", 0], ["two", 0], ["three", 1]]);
    expect(await fixture.engine.runs(second.id)).toMatchObject([{ number: 1, fromRunId: origin, taskId: second.id }]);
    expect(await fixture.engine.taskOfRun(origin)).toMatchObject({ id: first.id });
    expect(await fixture.engine.taskOfRun("r_unknown")).toBeNull();
  });

  it("E13 gives a race that lies in the prefix the winner that it had, whatever was asked for first", async () => {
    const fixture = await suite.create();
    const gates = { slow: createGate(), quick: createGate(), after: createGate() };
    const log: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => {
      const held = (name: "slow" | "quick"): Promise<Json> => code(ctx, name, async () => {
        log.push(name);
        await gates[name].opened;
        return name;
      });
      const winner = await Promise.race([held("slow"), held("quick")]);
      await code(ctx, `after ${String(winner)}`, async () => {
        log.push(`after ${String(winner)}`);
        await gates.after.opened;
        return null;
      });
      return done(winner);
    });
    const first = newTask(fixture);
    await fixture.engine.start(first);
    gates.quick.open();
    await until(() => log.length === 3, "the quick one has won");
    gates.slow.open();
    await until(async () => (await fixture.engine.steps(await runIdOf(fixture, first.id))).length === 2, "both have ended");
    gates.after.open();
    await runToEnd(fixture, first.id);
    // The slow one begins whenever it does.
    expect(log.toSorted()).toEqual(["after quick", "quick", "slow"]);
    expect(log.indexOf("quick")).toBeLessThan(log.indexOf("after quick"));

    const second = newTask(fixture);
    await fixture.engine.start(second, { prefix: { runId: await runIdOf(fixture, first.id), below: 3 } });

    expect(await runToEnd(fixture, second.id)).toMatchObject({ output: "quick" });
    expect(log.toSorted()).toEqual(["after quick", "after quick", "quick", "slow"]);
  });

  it("E13 serves what waits, signals and children of the prefix came to, and calls and waits for nothing again", async () => {
    const fixture = await suite.create();
    const children: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => {
      if (ctx.task.source === "child") return done(children.push(ctx.task.id));
      const nap = await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 3_600_000 });
      const answer = await ctx.wait({ name: "answer", reason: "signal", signal: "answer" });
      const end = await ctx.child({ kind: "child", name: "child" }, newTask(fixture, { source: "child" }));
      return done([nap, answer, end.taskId, await code(ctx, "last", () => "last")] as Json);
    });
    const first = newTask(fixture);
    await fixture.engine.start(first);
    await advance(fixture, 3_600_000);
    await fixture.engine.signal(await runIdOf(fixture, first.id), "answer", "yes", "1");
    const end = await runToEnd(fixture, first.id);
    const second = newTask(fixture);

    await fixture.engine.start(second, { prefix: { runId: await runIdOf(fixture, first.id), below: 4 } });
    await quiet(fixture);

    expect(await fixture.engine.result(second.id)).toEqual(end);
    expect(children).toHaveLength(1);
    expect(end).toMatchObject({ output: [{}, {}, children[0], "last"] });
  });

  it("E13 restarts a dead task behind a prefix of its own, over a crash; the deadline and the steps that follow are new", async () => {
    let fixture = await suite.create();
    const log: string[] = [];
    let isBroken = true;
    const execute = async (ctx: EngineContext) => {
      await logged(ctx, "paid", log);
      return done(await ctx.step({ kind: "code", name: "second" }, async ({ idempotencyKey }) => {
        if (isBroken) throw new Error("broken");
        return value(idempotencyKey, [progress("second")]);
      }));
    };
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const dead = await runIdOf(fixture, taskId);
    isBroken = false;
    fixture = await suite.crash(fixture);

    const restarted = await fixture.engine.restart(taskId, { prefix: { runId: dead, below: 2 }, writes: [progress("restarted")] });
    expect(restarted).toMatchObject({ status: "queued", end: null });
    expect(restarted.runId).not.toBe(dead);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([agentA], execute);

    // A step that executes again is another step for those whom it asks for something.
    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: `${restarted.runId}/code/second/1` });
    expect(log).toEqual(["paid"]);
    expect(await fixture.applied()).toEqual(["restarted", "second"]);
    expect((await fixture.engine.runs(taskId)).map(({ id, fromRunId }) => [id, fromRunId])).toEqual([[dead, null], [restarted.runId, dead]]);
  });

  it("E13 begins at the first step where the prefix is empty, and refuses a run that there is not", async () => {
    const fixture = await suite.create();
    const log: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => done(await logged(ctx, "one", log)));
    const first = newTask(fixture);
    await fixture.engine.start(first);
    await runToEnd(fixture, first.id);
    const second = newTask(fixture);

    await fixture.engine.start(second, { prefix: { runId: await runIdOf(fixture, first.id), below: 1 } });
    await runToEnd(fixture, second.id);
    const refused = newTask(fixture);

    await expect(fixture.engine.start(refused, { prefix: { runId: "r_unknown", below: 2 } })).rejects.toMatchObject({ code: "TASK_UNKNOWN" });
    expect(await fixture.engine.get(refused.id)).toBeNull();
    expect(log).toEqual(["one", "one"]);
    expect(await fixture.engine.runs(second.id)).toMatchObject([{ fromRunId: null }]);
  });
}

function testTimeAndChance(suite: EngineSuite): void {
  it("E13 shows the code the time and the chance of the prefix until it is delivered, and today's time from then on", async () => {
    const fixture = await suite.create();
    const seen: Json[] = [];
    await fixture.engine.run([agentA], async (ctx) => {
      const before: Json[] = [ctx.now(), ctx.random()];
      await code(ctx, "one", () => null);
      before.push(ctx.now(), ctx.random());
      await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 60_000 });
      seen.push(before);
      await code(ctx, "two", () => null);
      await ctx.wait({ name: "later", reason: "timer", timeoutMs: 60_000 });
      return done(ctx.now());
    });
    const first = newTask(fixture);
    await fixture.engine.start(first);
    await runToEnd(fixture, first.id);
    await advance(fixture, 86_400_000);
    const second = newTask(fixture);

    await fixture.engine.start(second, { prefix: { runId: await runIdOf(fixture, first.id), below: 3 } });
    const forkedAtMs = fixture.clock.now();
    const end = await runToEnd(fixture, second.id);

    expect(new Set(seen.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(end).toMatchObject({ output: forkedAtMs + 60_000 });

    // A sleep right behind the prefix sleeps from now on, not from when the prefix was taken.
    const third = newTask(fixture);
    await fixture.engine.start(third, { prefix: { runId: await runIdOf(fixture, first.id), below: 2 } });
    const againAtMs = fixture.clock.now();
    expect(await runToEnd(fixture, third.id)).toMatchObject({ output: againAtMs + 120_000 });
  });
}

function testVersions(suite: EngineSuite): void {
  it("E9 parks a run of another loop version, executes nothing of it, and goes on with it when that version is back", async () => {
    let fixture = await suite.create();
    const log: string[] = [];
    const start = (loopVersion: number): Promise<unknown> => {
      const agent: EngineAgent = { ...agentA, loopVersion };
      return fixture.engine.run([agent], async (ctx) => {
        log.push(`loop ${loopVersion}`);
        await ctx.wait({ name: "go", reason: "signal", signal: "go" });
        return done(loopVersion);
      });
    };
    await start(1);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const runId = await runIdOf(fixture, taskId);
    fixture = await suite.crash(fixture);
    await start(2);
    await fixture.engine.signal(runId, "go", null, "1");
    await quiet(fixture);

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "waiting", waitingReason: "code-mismatch" });
    const [run] = await fixture.engine.runs(taskId);
    expect(run).toMatchObject({ loopVersion: 1, mismatch: { message: expect.stringMatching(/has loop version 1; this version of longhaul goes on with loop version 2/) } });
    await expect(fixture.engine.skip(taskId)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("another version of longhaul") });
    expect(log).toEqual(["loop 1"]);

    fixture = await suite.crash(fixture);
    await start(1);
    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: 1 });
  });
}
