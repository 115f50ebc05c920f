import { describe, expect, it } from "vitest";
import { sleep } from "../base/clock.ts";
import type { EngineContext } from "./engine.ts";
import { agentA, code, createGate, done, newTask, progress, quiet, runToEnd, until, value, type EngineFixture, type EngineSuite } from "./engine-fixture.testsuite.ts";

/** Waits until a run executes and had time to come to its step. */
async function executing(fixture: EngineFixture): Promise<void> {
  await until(() => fixture.changes.some(({ task }) => task.status === "running" && task.runId !== null), "a run executes");
  await fixture.settle();
}

export function testRecovery(suite: EngineSuite): void {
  describe("recovery", () => {
    testCrash(suite);
    testLimits(suite);
  });
}

function testCrash(suite: EngineSuite): void {
  it("E2 E3 E5 resumes every run after a crash: finished steps are not executed again, the interrupted one is, with its attempt counted", async () => {
    let fixture = await suite.create();
    const logs: Readonly<Record<string, string[]>> = { running: [], queued: [] };
    let isCrashing = true;
    const execute = async (ctx: EngineContext) => {
      const log = logs[ctx.task.source] ?? [];
      await code(ctx, "first", () => log.push("first"));
      const attempt = await ctx.step({ kind: "code", name: "second" }, async (step) => {
        log.push(`second ${step.attempt} ${step.idempotencyKey === `${ctx.runId}/code/second/1`}`);
        if (isCrashing) await new Promise(() => undefined);
        return value(step.attempt);
      });
      return done(attempt);
    };
    await fixture.engine.run([agentA], execute);
    const running = await fixture.engine.start(newTask(fixture, { source: "running" }));
    const queued = await fixture.engine.start(newTask(fixture, { source: "queued", notBeforeAtMs: fixture.clock.now() + 1_000 }));
    await until(() => logs["running"]?.length === 2, "the second step executes");
    isCrashing = false;
    fixture = await suite.crash(fixture);

    await fixture.engine.run([agentA], execute);

    expect(await runToEnd(fixture, running.taskId)).toMatchObject({ status: "done", output: 2 });
    expect(await runToEnd(fixture, queued.taskId)).toMatchObject({ status: "done", output: 1 });
    expect(logs).toEqual({ running: ["first", "second 1 true", "second 2 true"], queued: ["first", "second 1 true"] });
    expect(await fixture.engine.get(running.taskId)).toMatchObject({ recoveries: 1 });
    const told = fixture.changes.flatMap(({ task, crashes }) => (task.id === running.taskId && crashes !== undefined ? [crashes] : []));
    expect(told).toEqual([{ withoutProgress: 1, withoutProgressMax: 10, inAll: 1, inAllMax: 100 }]);
  });

  it("E4 drops what an engine commits after another one took over", async () => {
    const first = await suite.create();
    const gate = createGate();
    const execute = (writer: string, opened: Promise<void>) => async (ctx: EngineContext) =>
      done(await ctx.step({ kind: "code", name: "once" }, async () => {
        await opened;
        return value(writer, [progress(writer)]);
      }));
    await first.engine.run([agentA], execute("first", gate.opened));
    const { taskId } = await first.engine.start(newTask(first));
    await executing(first);

    const second = await suite.crash(first);
    await second.engine.run([agentA], execute("second", Promise.resolve()));
    expect(await runToEnd(second, taskId)).toMatchObject({ output: "second" });
    gate.open();
    await second.settle();

    expect(await second.applied()).toEqual(["second"]);
    expect(await second.engine.steps(String((await second.engine.get(taskId))?.runId))).toHaveLength(1);
  });
}

function testLimits(suite: EngineSuite): void {
  it.each([
    ["of its first step", 0],
    ["of a step behind others", 3],
  ])("E12 quarantines a task after ten crashes %s without progress, and others go on", async (_, stepsBefore) => {
    let fixture = await suite.create();
    const execute = async (ctx: EngineContext) => {
      for (let step = 0; step < stepsBefore; step++) await code(ctx, "harmless", () => step);
      return done(await code(ctx, "deadly", async () => (ctx.task.source === "fine" ? "fine" : await new Promise<string>(() => undefined))));
    };
    await fixture.engine.run([agentA], execute);
    const deadly = await fixture.engine.start(newTask(fixture));
    for (let crash = 1; crash <= 10; crash++) {
      await executing(fixture);
      // An engine may take some time to store that a step has completed.
      await fixture.clock.advance(100, () => fixture.settle());
      fixture = await suite.crash(fixture);
      await fixture.engine.run([agentA], execute);
    }
    await executing(fixture);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([agentA], execute);

    expect(await fixture.engine.result(deadly.taskId)).toMatchObject({ status: "dead", reason: "recovery-limit", failure: { code: "ENGINE_RECOVERY_LIMIT" } });
    const fine = await fixture.engine.start(newTask(fixture, { source: "fine" }));
    expect(await runToEnd(fixture, fine.taskId)).toMatchObject({ status: "done" });
  });

  it("E12 finds the one task that kills the process among those that were executing with it, and loses none of these", async () => {
    let fixture = await suite.create();
    let isDying = false;
    const execute = async (ctx: EngineContext) => done(await code(ctx, "work", async () => {
      if (ctx.task.source === "deadly") isDying = true;
      if (isDying) await new Promise(() => undefined);
      await sleep(fixture.clock, 1_000);
      return "fine";
    }));
    await fixture.engine.run([agentA], execute);
    const sources = ["fine", "fine", "deadly", "fine", "fine", "fine"];
    const tasks = await Promise.all(sources.map((source) => fixture.engine.start(newTask(fixture, { source }))));
    const statuses = async () => (await Promise.all(tasks.map(({ taskId }) => fixture.engine.get(taskId)))).map((task) => task?.status);
    const isOver = async (): Promise<boolean> => (await statuses()).every((status) => status === "done" || status === "dead");
    for (let life = 0; life < 60 && !(await isOver()); life++) {
      await fixture.clock.advance(isDying ? 0 : 2_000, () => fixture.settle());
      if (!isDying) continue;
      isDying = false;
      fixture = await suite.crash(fixture);
      await fixture.engine.run([agentA], execute);
    }

    expect(await statuses()).toEqual(sources.map((source) => (source === "deadly" ? "dead" : "done")));
  });

  it("E12 counts no crash of a task that waits for its turn behind one that may be what kills the process", async () => {
    let fixture = await suite.create();
    let life = 0;
    const begun: string[] = [];
    const execute = async (ctx: EngineContext) => done(await code(ctx, "work", async () => {
      begun.push(`${life} ${ctx.task.source}`);
      return life > 10 && ctx.task.source === "fine" ? "fine" : await new Promise<string>(() => undefined);
    }));
    await fixture.engine.run([agentA], execute);
    const [deadly, fine] = [await fixture.engine.start(newTask(fixture, { source: "deadly" })), await fixture.engine.start(newTask(fixture, { source: "fine" }))];
    const isDead = async (): Promise<boolean> => (await fixture.engine.get(deadly.taskId))?.status === "dead";
    // From the fifth life on one executes. In that one it may be the other, before it is known of the first one that the crash was one of it too.
    const executes = (): boolean => (life === 4 ? begun.some((what) => what.startsWith("4 ")) : begun.includes(`${life} deadly`) && (life > 4 || begun.includes(`${life} fine`)));
    while (life < 13) {
      await until(async () => executes() || (await isDead()), "what may execute does");
      if (await isDead()) break;
      await fixture.settle();
      expect(begun.filter((what) => what.startsWith(`${life} `))).toHaveLength(life > 3 ? 1 : 2);
      fixture = await suite.crash(fixture);
      life++;
      await fixture.engine.run([agentA], execute);
    }

    expect(await fixture.engine.result(deadly.taskId)).toMatchObject({ status: "dead", reason: "recovery-limit" });
    expect(await runToEnd(fixture, fine.taskId)).toMatchObject({ status: "done", output: "fine" });
    expect(begun.filter((what) => what.endsWith("fine")).map((what) => Number.parseInt(what, 10)).filter((each) => each > 4)).toEqual([life]);
    expect((await fixture.engine.get(fine.taskId))?.recoveries).toBeLessThan(6);
  });

  it.each([
    ["has proved harmless", true],
    ["has left", false],
  ])("E12 lets a task that may be what kills the process begin when the one of another agent before it %s", async (_, isProving) => {
    const agents = [agentA, { ...agentA, name: "b" }];
    let fixture = await suite.create();
    let life = 0;
    const begun: string[] = [];
    const harmless = createGate();
    const execute = async (ctx: EngineContext) => {
      begun.push(`${life} ${ctx.task.agent}`);
      if (life === 4 && isProving) await code(ctx, "harmless", () => harmless.opened.then(() => null));
      if (life === 4 && !isProving) await ctx.wait({ name: "go", reason: "signal", signal: "go" });
      return done(await code(ctx, "hangs", () => new Promise<null>(() => undefined)));
    };
    await fixture.engine.run(agents, execute);
    for (const { name } of agents) await fixture.engine.start(newTask(fixture, { agent: name }));
    for (life = 0; life < 4; life++) {
      await until(() => begun.length === 2 * (life + 1), "both execute");
      await fixture.settle();
      fixture = await suite.crash(fixture);
      if (life < 3) await fixture.engine.run(agents, execute);
    }
    await fixture.engine.run(agents, execute);

    await until(() => begun.length > 8, "one of them has begun");
    await fixture.settle();
    harmless.open();

    await until(() => begun.length === 10, "both have begun, one after the other");
    expect(begun.slice(8).toSorted()).toEqual(["4 a", "4 b"]);
  });

  it("E12 S27 counts progress between crashes, but never more than a hundred crashes in all", async () => {
    let fixture = await suite.create();
    let reached = 0;
    let hangingIn = -1;
    const execute = async (ctx: EngineContext) => {
      for (let count = 1; ; count++) {
        const isOld = count <= reached;
        await code(ctx, "count", async () => {
          if (isOld || ctx.task.recoveries >= count) return count;
          hangingIn = ctx.task.recoveries;
          return await new Promise<number>(() => undefined);
        });
        reached = Math.max(reached, count);
      }
    };
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    let crashes = 0;
    for (; crashes < 101; crashes++) {
      const before = crashes;
      await until(() => hangingIn === before, "the next step hangs");
      fixture = await suite.crash(fixture);
      await fixture.engine.run([agentA], execute);
    }
    await fixture.engine.result(taskId);

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "dead", recoveries: 101, end: { reason: "recovery-limit" } });
  });

  it("E12 takes the end of a wait and that of a child for progress, as it does a step's", async () => {
    let fixture = await suite.create();
    const execute = async (ctx: EngineContext) => {
      if (ctx.task.source === "child") return done("child");
      const long = code(ctx, "long", () => new Promise<null>(() => undefined));
      for (let round = 1; ; round++) {
        await ctx.wait({ name: "tick", reason: "timer", timeoutMs: 60_000 });
        if (round % 2 === 0) await ctx.child({ kind: "child", name: "c" }, newTask(fixture, { id: `child-${round}`, source: "child" }));
        await Promise.race([long, ctx.wait({ name: "tock", reason: "timer", timeoutMs: 60_000 })]);
      }
    };
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    for (let crash = 1; crash <= 12; crash++) {
      await fixture.settle();
      await fixture.clock.advance(61_000, () => fixture.settle());
      fixture = await suite.crash(fixture);
      await fixture.engine.run([agentA], execute);
    }

    await until(async () => (await fixture.engine.get(taskId))?.recoveries === 12, "all crashes are counted");
    expect(await fixture.engine.get(taskId)).toMatchObject({ end: null });
  });

  it("E12 counts a crash once, though the engine dies again right after its recovery", async () => {
    let fixture = await suite.create();
    const execute = async (ctx: EngineContext) => done(await code(ctx, "hangs", async () => await new Promise<null>(() => undefined)));
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await executing(fixture);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([], execute);
    fixture = await suite.crash(fixture);
    await fixture.engine.run([agentA], async () => done("over"));

    // No time is moved: its deadline could come before a busy machine has called it again.
    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done" });
    expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 1 });
  });

  it("E12 counts nothing for a step that drains interrupt, however often", async () => {
    let fixture = await suite.create();
    let attempts = 0;
    const execute = async (ctx: EngineContext) => done(await code(ctx, "long", async () => (++attempts > 15 ? attempts : await new Promise<number>(() => undefined))));
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    for (let drains = 1; drains <= 15; drains++) {
      await until(() => attempts === drains, "the step executes");
      fixture = await suite.reopen(fixture);
      await fixture.engine.run([agentA], execute);
    }

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done", output: 16 });
    expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 0 });
  });

  it("E12 counts a crash that found code between two steps: what it does there may kill the process too", async () => {
    let fixture = await suite.create();
    let begun = 0;
    const execute = async (ctx: EngineContext) => {
      await code(ctx, "one", () => null);
      begun++;
      return await new Promise<ReturnType<typeof done>>(() => undefined);
    };
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(() => begun === 1, "code is between two steps");
    fixture = await suite.crash(fixture);
    await fixture.engine.run([agentA], execute);

    await until(() => begun === 2, "it has begun again");
    expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 1 });
  });

  it("E12 counts nothing for a run that was waiting", async () => {
    let fixture = await suite.create();
    const execute = async (ctx: EngineContext) => {
      await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 1_000_000 });
      return done(null);
    };
    await fixture.engine.run([agentA], execute);
    const { taskId } = await fixture.engine.start(newTask(fixture));
    for (let crash = 0; crash < 15; crash++) {
      await quiet(fixture);
      fixture = await suite.crash(fixture);
      await fixture.engine.run([agentA], execute);
    }

    expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "done" });
    expect(await fixture.engine.get(taskId)).toMatchObject({ recoveries: 0 });
  });
}
