import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import { macrotask } from "../base/turn.ts";
import { advance, agentA, code, createGate, done, newTask, quiet, runToEnd, until, type EngineSuite } from "./engine-fixture.testsuite.ts";

const hourMs = 3_600_000;

export function testWaits(suite: EngineSuite): void {
  describe("waits", () => {
    testSuspension(suite);
    testSignals(suite);

    it("ends a wait at its instant, counted from the time of durable code, over a crash", async () => {
      let fixture = await suite.create();
      const execute = async (ctx: Parameters<Parameters<typeof fixture.engine.run>[1]>[0]) => {
        const end = await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 2 * hourMs });
        return done([end, ctx.now() - ctx.task.createdAtMs]);
      };
      await fixture.engine.run([agentA], execute);
      const { taskId } = await fixture.engine.start(newTask(fixture));
      await advance(fixture, hourMs);
      fixture = await suite.crash(fixture);
      await fixture.engine.run([agentA], execute);

      await advance(fixture, hourMs - 1);
      expect(await fixture.engine.get(taskId)).toMatchObject({ status: "waiting", waitingReason: "timer", recoveries: 0 });
      await advance(fixture, 1);

      expect(await fixture.engine.result(taskId)).toMatchObject({ output: [{ by: "timer" }, 2 * hourMs] });
    });

    it("works off what fell due while nothing ran", async () => {
      let fixture = await suite.create();
      const execute = async (ctx: Parameters<Parameters<typeof fixture.engine.run>[1]>[0]) => {
        await ctx.wait({ name: "nap", reason: "timer", timeoutMs: hourMs });
        return done("awake");
      };
      await fixture.engine.run([agentA], execute);
      const { taskId } = await fixture.engine.start(newTask(fixture));
      await quiet(fixture);
      fixture = await suite.crash(fixture);
      await fixture.clock.advance(48 * hourMs, () => fixture.settle());

      await fixture.engine.run([agentA], execute);
      await quiet(fixture);

      expect(await fixture.engine.result(taskId)).toMatchObject({ output: "awake" });
    });

    it("says since when a task has been open: waits between retries go on counting, a wait for people or time does not", async () => {
      const fixture = await suite.create();
      const startMs = fixture.clock.now();
      await fixture.engine.run([agentA], async (ctx) => {
        await ctx.wait({ name: "again", reason: "retry", timeoutMs: hourMs });
        await ctx.wait({ name: "word", reason: "human", signal: "word", timeoutMs: hourMs });
        await ctx.wait({ name: "again", reason: "retry", timeoutMs: hourMs });
        return done(null);
      });
      const { taskId } = await fixture.engine.start(newTask(fixture));
      const seen: (readonly [string | null, number, number])[] = [];
      for (let hour = 0; hour < 4; hour++) {
        await advance(fixture, hour === 0 ? 1 : hourMs);
        const task = await fixture.engine.get(taskId);
        seen.push([task?.waitingReason ?? null, Math.round(((task?.statusSinceMs ?? 0) - startMs) / hourMs), Math.round(((task?.openSinceMs ?? 0) - startMs) / hourMs)]);
      }

      expect(seen).toEqual([["retry", 0, 0], ["human", 1, 0], ["retry", 2, 2], [null, 3, 2]]);
    });

    it("holds a thousand waiting runs without a slot and with one timer", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([{ ...agentA, concurrency: 50, queueMax: 2_000 }], async (ctx) => {
        await ctx.wait({ name: "nap", reason: "timer", timeoutMs: hourMs });
        return done(null);
      });
      for (let count = 0; count < 1_000; count++) void fixture.engine.start(newTask(fixture));
      await quiet(fixture);

      await until(() => fixture.clock.pendingAtMs.length === 1, "one timer is left");
      expect(await fixture.engine.list({ statuses: ["waiting"], limit: 10_000 })).toHaveLength(1_000);
      await advance(fixture, hourMs);
      expect(await fixture.engine.list({ statuses: ["done"], limit: 10_000 })).toHaveLength(1_000);
      await advance(fixture, hourMs);
      expect(fixture.clock.pendingAtMs).toEqual([]);
    });
  });
}

function testSuspension(suite: EngineSuite): void {
  it("E7 neither catch nor finally nor the abort signal of durable code sees a suspension", async () => {
    const fixture = await suite.create();
    const log: string[] = [];
    await fixture.engine.run([agentA], async (ctx) => {
      log.push("begin");
      ctx.signal.addEventListener("abort", () => log.push("abort"));
      try {
        await ctx.wait({ name: "nap", reason: "human", signal: "wake" });
        log.push("awake");
      } catch {
        log.push("catch");
      } finally {
        log.push("finally");
      }
      return done(null);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await advance(fixture, hourMs);

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "waiting", waitingReason: "human" });
    expect(log).toEqual(["begin"]);
    await fixture.engine.signal(String((await fixture.engine.get(taskId))?.runId), "wake", null, "1");
    await quiet(fixture);
    expect(log.slice(0, 4)).toEqual(["begin", "begin", "awake", "finally"]);
    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done" });
  });

  it("E7 an evicted context never settles what it is asked for later", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    const log: string[] = [];
    let incarnation = 0;
    await fixture.engine.run([agentA], async (ctx) => {
      const mine = ++incarnation;
      const stray = async (): Promise<void> => {
        await gate.opened;
        await code(ctx, "stray", () => log.push(`executed by ${mine}`));
        log.push(`settled in ${mine}`);
      };
      if (mine === 1) void stray();
      await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 1_000 });
      return done(mine);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);

    gate.open();
    await advance(fixture, 10_000);

    expect(log).toEqual([]);
    expect(await fixture.engine.result(taskId)).toMatchObject({ output: 2 });
  });

  it("R3 keeps a run in memory while a body executes beside its wait", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    let begun = 0;
    await fixture.engine.run([agentA], async (ctx) => {
      begun++;
      const nap = ctx.wait({ name: "nap", reason: "timer", timeoutMs: 50 });
      const work = code(ctx, "work", async () => { await gate.opened; return "worked"; });
      return done([(await nap).by, await work]);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await fixture.clock.advance(100, () => fixture.settle());

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "running" });
    gate.open();
    expect(await fixture.engine.result(taskId)).toMatchObject({ output: ["timer", "worked"] });
    expect(begun).toBe(1);
  });

  it("lists what runs wait for by reason, oldest first, and no more when the wait is over", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      await ctx.wait({ name: "word", reason: "human", signal: `word of ${ctx.task.source}`, ...(ctx.task.source === "first" ? { timeoutMs: hourMs } : {}) });
      return done(null);
    });
    const runIds: string[] = [];
    for (const source of ["first", "second"]) {
      const { taskId } = await fixture.engine.start(newTask(fixture, { source }));
      await advance(fixture, 1_000);
      runIds.push(String((await fixture.engine.get(taskId))?.runId));
    }

    const [first, second] = await fixture.engine.waits("human");
    expect([first, second]).toMatchObject([{ runId: runIds[0], signal: "word of first", dueAtMs: (first?.sinceAtMs ?? 0) + hourMs }, { runId: runIds[1], signal: "word of second", dueAtMs: null }]);
    expect(await fixture.engine.waits("signal")).toEqual([]);
    await fixture.engine.signal(runIds[0] ?? "", "word of first", null, "1");
    await quiet(fixture);
    expect((await fixture.engine.waits("human")).map(({ runId }) => runId)).toEqual([runIds[1]]);
  });

  it("waits with the reason of the first of several waits, and goes on with whichever ends first", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      const approval = ctx.wait({ name: "approval", reason: "human", signal: "approve" });
      const timeout = ctx.wait({ name: "timeout", reason: "timer", timeoutMs: hourMs });
      const first = await Promise.race([approval.then(() => "approved"), timeout.then(() => "timed out")]);
      const again = await ctx.wait({ name: "then", reason: "signal", signal: "then" });
      return done([first, again]);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    expect(await fixture.engine.get(taskId)).toMatchObject({ waitingReason: "human" });
    const runId = String((await fixture.engine.get(taskId))?.runId);

    await advance(fixture, hourMs);
    await fixture.engine.signal(runId, "approve", null, "late");
    await fixture.engine.signal(runId, "then", 7, "2");

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["timed out", { by: "signal", payload: 7 }] });
  });
}

function testSignals(suite: EngineSuite): void {
  it("takes a signal that came before its wait, each id once, in the order of arrival", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    await fixture.engine.run([agentA], async (ctx) => {
      await code(ctx, "hold", async () => { await gate.opened; return null; });
      const payloads: Json[] = [];
      for (let count = 0; count < 3; count++) {
        const end = await ctx.wait({ name: "next", reason: "signal", signal: "s", timeoutMs: 1_000 });
        payloads.push(end.by === "signal" ? end.payload : "none");
      }
      return done(payloads);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await until(async () => (await fixture.engine.get(taskId))?.status === "running", "the run executes");
    const runId = String((await fixture.engine.get(taskId))?.runId);

    expect(await fixture.engine.signal(runId, "s", "first", "1")).toBe(true);
    expect(await fixture.engine.signal(runId, "other", "elsewhere", "3")).toBe(true);
    expect(await fixture.engine.signal(runId, "s", "second", "2")).toBe(true);
    expect(await fixture.engine.signal(runId, "s", "first again", "1")).toBe(true);
    gate.open();

    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["first", "second", "none"] });
    expect(await fixture.engine.signal(runId, "s", "too late", "4")).toBe(false);
    expect(await fixture.engine.signal("r_unknown", "s", null, "5")).toBe(false);
  });

  it("R2 loses no signal, in whichever turn of a suspension it comes", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      const end = await ctx.wait({ name: "w", reason: "signal", signal: "s" });
      return done(end.by);
    });
    for (let turns = 0; turns < 25; turns++) {
      const task = newTask(fixture);
      await fixture.engine.start(task);
      await until(async () => (await fixture.engine.get(task.id))?.runId !== null, "the run executes");
      const runId = String((await fixture.engine.get(task.id))?.runId);
      for (let turn = 0; turn < turns; turn++) await macrotask();
      await fixture.engine.signal(runId, "s", null, "1");
      await quiet(fixture);

      expect({ turns, status: (await fixture.engine.get(task.id))?.status }).toEqual({ turns, status: "done" });
    }
  });

  it("counts a signal that answered a wait once, though it is sent again", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      const one = await ctx.wait({ name: "w", reason: "signal", signal: "s" });
      const two = await ctx.wait({ name: "w", reason: "signal", signal: "s", timeoutMs: 5_000 });
      return done([one.by, two.by]);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const runId = String((await fixture.engine.get(taskId))?.runId);

    const answers = await Promise.all(["a", "b", "c"].map(() => fixture.engine.signal(runId, "s", null, "same")));

    expect(answers).toEqual([true, true, true]);
    expect(await runToEnd(fixture, taskId)).toMatchObject({ output: ["signal", "timer"] });
  });

  it("keeps a bounded number of signals that nobody takes", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async (ctx) => {
      await ctx.wait({ name: "w", reason: "signal", signal: "never" });
      return done(null);
    });
    const { taskId } = await fixture.engine.start(newTask(fixture));
    await quiet(fixture);
    const runId = String((await fixture.engine.get(taskId))?.runId);
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => fixture.engine.signal(runId, "s", index, `${index}`)));

    await expect(fixture.engine.signal(runId, "s", null, "one more")).rejects.toMatchObject({ code: "QUEUE_FULL" });
    expect(await fixture.engine.signal(runId, "s", null, "7")).toBe(true);
  });
}
