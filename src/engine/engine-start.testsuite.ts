import { describe, expect, it } from "vitest";
import { isLonghaulError } from "../base/error.ts";
import { advance, agentA, code, createGate, done, newTask, progress, quiet, runToEnd, until, value, type EngineSuite } from "./engine-fixture.testsuite.ts";

const dayMs = 86_400_000;

export function testStart(suite: EngineSuite): void {
  describe("starting tasks", () => {
    testKeys(suite);
    testQueue(suite);

    it("shows a task from its start to its end, with every transition observed in its commit", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agentA], async (ctx) => done(await code(ctx, "one", () => 1)));
      const task = newTask(fixture, { input: { n: 1 }, source: "trigger every(15m)", doubts: ["unverified", "degraded"] });

      await fixture.engine.start(task);
      const end = await runToEnd(fixture, task.id);

      expect(end).toEqual({ status: "done", outcome: "unverified", output: 1, evidence: null, reason: null });
      expect(await fixture.engine.get(task.id)).toMatchObject({ ...task, status: "done", recoveries: 0, end, parentRunId: null, waitingReason: null });
      expect(fixture.changes.map(({ from, task: { status } }) => `${from} ${status}`)).toEqual(["null queued", "queued running", "running done"]);
      expect(await fixture.engine.get("t_unknown")).toBeNull();
      await expect(fixture.engine.result("t_unknown")).rejects.toMatchObject({ code: "TASK_UNKNOWN" });
    });

    it("applies what a start writes beside its task once, and nothing of it when the start is refused", async () => {
      const fixture = await suite.create();
      await fixture.engine.start(newTask(fixture, { id: "w1", key: "taken" }), { writes: [progress("first")] });
      await fixture.engine.start(newTask(fixture, { id: "w2", key: "taken" }), { writes: [progress("second")] });
      const guard = { type: "key.claim" as const, key: "taken", taskId: "w3", atMs: 0, expiresAtMs: 1 };

      await expect(fixture.engine.start(newTask(fixture, { id: "w3" }), { writes: [progress("third"), guard] })).rejects.toMatchObject({ code: "TASK_KEY_TAKEN" });

      expect(await fixture.applied()).toEqual(["first"]);
      expect(await fixture.engine.get("w3")).toBeNull();
    });

    it("lists tasks newest first, by status and agent", async () => {
      const fixture = await suite.create();
      for (const agent of ["a", "b", "a"]) await fixture.engine.start(newTask(fixture, { agent, source: `of ${agent}` }));

      expect((await fixture.engine.list({ agent: "a" })).map((task) => task.source)).toEqual(["of a", "of a"]);
      expect(await fixture.engine.list({ statuses: ["done", "dead"] })).toEqual([]);
      const all = await fixture.engine.list({ limit: 2 });
      expect(all).toHaveLength(2);
      expect(all[1]?.agent).toBe("b");
    });

    it("lists tasks without what may be large, for who wants only to know which there are", async () => {
      const fixture = await suite.create();
      await fixture.engine.run([agentA], () => Promise.resolve(done("x".repeat(10_000))));
      const { taskId } = await fixture.engine.start(newTask(fixture, { input: "y".repeat(10_000) }));
      await fixture.engine.result(taskId);

      const [whole] = await fixture.engine.list({ agent: "a", statuses: ["done"] });
      expect(whole).toMatchObject({ id: taskId, input: "y".repeat(10_000), end: { status: "done" } });
      expect(await fixture.engine.list({ agent: "a", statuses: ["done"], brief: true })).toEqual([{ ...whole, input: null, end: null }]);
    });
  });
}

function testKeys(suite: EngineSuite): void {
  it("E1 starts a task once for 50 concurrent starts with one key", async () => {
    const fixture = await suite.create();
    let executed = 0;
    await fixture.engine.run([agentA], async (ctx) => done(await code(ctx, "count", () => ++executed)));

    const started = await Promise.all(Array.from({ length: 50 }, () => fixture.engine.start(newTask(fixture, { key: "one" }))));
    await quiet(fixture);

    expect(started.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(started.map(({ taskId }) => taskId)).size).toBe(1);
    expect(executed).toBe(1);
    expect(await fixture.engine.list({})).toHaveLength(1);
  });

  it("E1 keeps a key over a crash and for 400 days, and frees it then", async () => {
    let fixture = await suite.create();
    const first = await fixture.engine.start(newTask(fixture, { key: "k" }));
    fixture = await suite.crash(fixture);

    expect(await fixture.engine.start(newTask(fixture, { key: "k" }))).toEqual({ taskId: first.taskId, created: false });
    await fixture.clock.advance(399 * dayMs, () => fixture.settle());
    expect(await fixture.engine.start(newTask(fixture, { key: "k" }))).toEqual({ taskId: first.taskId, created: false });
    await fixture.clock.advance(2 * dayMs, () => fixture.settle());
    expect(await fixture.engine.start(newTask(fixture, { key: "k" }))).toMatchObject({ created: true });
  });

  it("E1 takes the same task twice as one start", async () => {
    const fixture = await suite.create();
    const task = newTask(fixture);

    expect(await fixture.engine.start(task)).toEqual({ taskId: task.id, created: true });
    expect(await fixture.engine.start(task)).toEqual({ taskId: task.id, created: false });
  });

  it("E1 refuses a key that belongs to another agent's task, since the caller's work would be lost in silence", async () => {
    const fixture = await suite.create();
    const holder = newTask(fixture, { key: "invoice-7" });
    await fixture.engine.start(holder);

    await expect(fixture.engine.start(newTask(fixture, { agent: "other", key: "invoice-7" }))).rejects.toMatchObject({
      code: "TASK_KEY_CONFLICT", message: expect.stringContaining(`belongs to task ${holder.id} of agent "a"`), details: { taskId: holder.id, agent: "a" },
    });
    expect(await fixture.engine.list({ agent: "other" })).toEqual([]);
  });

  it("E1 starts what a step starts once, honouring keys that are taken", async () => {
    const fixture = await suite.create();
    const holder = newTask(fixture, { agent: "elsewhere", key: "k" });
    await fixture.engine.start(holder);
    const starts = [newTask(fixture, { id: "sent", agent: "elsewhere" }), newTask(fixture, { id: "twin", agent: "elsewhere", key: "k" })];
    await fixture.engine.run([agentA], async (ctx) => done(await ctx.step({ kind: "code", name: "send" }, async () => ({ ...value("sent"), starts }))));

    const { taskId } = await fixture.engine.start(newTask(fixture));
    await runToEnd(fixture, taskId);

    expect((await fixture.engine.list({ agent: "elsewhere" })).map((task) => task.id).toSorted()).toEqual(["sent", holder.id].toSorted());
    expect(await fixture.engine.get("sent")).toMatchObject({ status: "queued", parentRunId: null });
  });
}

function testQueue(suite: EngineSuite): void {
  it("refuses a start when the queue of its agent is full, and keeps its key free", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    await fixture.engine.run([{ ...agentA, concurrency: 1, queueMax: 2 }], async (ctx) => done(await code(ctx, "hold", async () => { await gate.opened; return 1; })));
    await fixture.engine.start(newTask(fixture));
    await until(async () => (await fixture.engine.list({ statuses: ["running"] })).length === 1, "the first task has the slot");
    await fixture.engine.start(newTask(fixture));
    await fixture.engine.start(newTask(fixture));

    const refusal: unknown = await fixture.engine.start(newTask(fixture, { key: "later" })).catch((error: unknown) => error);

    expect(isLonghaulError(refusal) && refusal.code).toBe("QUEUE_FULL");
    gate.open();
    await quiet(fixture);
    expect(await fixture.engine.start(newTask(fixture, { key: "later" }))).toMatchObject({ created: true });
  });

  it("counts a restarted task in the queue that it comes back into", async () => {
    const agent = { ...agentA, queueMax: 3 };
    let fixture = await suite.create();
    const later = () => newTask(fixture, { notBeforeAtMs: fixture.clock.now() + 1_000_000 });
    await fixture.engine.run([agent], async () => done(null));
    const canceled = [await fixture.engine.start(later()), await fixture.engine.start(later())];
    for (const { taskId } of canceled) await fixture.engine.cancel(taskId, "for now");
    fixture = await suite.reopen(fixture);
    await fixture.engine.run([agent], async () => done(null));
    await fixture.engine.start(later());

    for (const { taskId } of canceled) await fixture.engine.restart(taskId);

    await expect(fixture.engine.start(later())).rejects.toMatchObject({ code: "QUEUE_FULL" });
  });

  it("gives slots by priority, then by age, and not before a task's instant", async () => {
    const fixture = await suite.create();
    const order: string[] = [];
    const nowMs = fixture.clock.now();
    await fixture.engine.start(newTask(fixture, { source: "low", priority: 0 }));
    await fixture.engine.start(newTask(fixture, { source: "tomorrow", priority: 9, notBeforeAtMs: nowMs + dayMs }));
    await fixture.engine.start(newTask(fixture, { source: "low, younger", priority: 0 }));
    await fixture.engine.start(newTask(fixture, { source: "high", priority: 5 }));
    await fixture.engine.run([{ ...agentA, concurrency: 1 }], async (ctx) => {
      order.push(ctx.task.source);
      return done(null);
    });

    await quiet(fixture);
    expect(order).toEqual(["high", "low", "low, younger"]);
    await advance(fixture, dayMs);
    expect(order.at(-1)).toBe("tomorrow");
  });

  it("executes no more runs of an agent at once than it has slots, whatever other agents do", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    const executing = { a: 0, b: 0 };
    let most = 0;
    const agents = [{ ...agentA, concurrency: 2 }, { ...agentA, name: "b", concurrency: 1 }];
    await fixture.engine.run(agents, async (ctx) => {
      const agent = ctx.task.agent as "a" | "b";
      most = Math.max(most, ++executing[agent]);
      await code(ctx, "hold", async () => { if (agent === "a") await gate.opened; return null; });
      executing[agent]--;
      return done(null);
    });

    for (let count = 0; count < 5; count++) await fixture.engine.start(newTask(fixture));
    const { taskId } = await fixture.engine.start(newTask(fixture, { agent: "b" }));

    expect(await fixture.engine.result(taskId)).toMatchObject({ status: "done" });
    await until(() => executing.a === 2, "both slots are taken");
    gate.open();
    await quiet(fixture);
    expect(most).toBe(2);
    expect(await fixture.engine.list({ statuses: ["done"] })).toHaveLength(6);
  });

  it("keeps to the slots of an agent when many tasks come in one turn and some of them are refused", async () => {
    const fixture = await suite.create();
    const gate = createGate();
    const order: string[] = [];
    let executing = 0;
    let most = 0;
    await fixture.engine.run([{ ...agentA, concurrency: 2 }, { ...agentA, name: "b" }], async (ctx) => {
      most = Math.max(most, ++executing);
      order.push(ctx.task.source);
      await code(ctx, "hold", async () => { await gate.opened; return null; });
      executing--;
      return done(null);
    });
    await fixture.engine.start(newTask(fixture, { source: "0", key: "taken" }));

    const ends = await Promise.allSettled(["1", "refused", "2", "3", "4"].map((source) =>
      fixture.engine.start(newTask(fixture, source === "refused" ? { source, agent: "b", key: "taken" } : { source }))));

    expect(ends.map((end) => end.status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled", "fulfilled"]);
    await until(() => executing === 2, "both slots are taken");
    gate.open();
    await quiet(fixture);
    expect(most).toBe(2);
    expect(order.toSorted()).toEqual(["0", "1", "2", "3", "4"]);
    expect(await fixture.engine.list({ statuses: ["done"] })).toHaveLength(5);
  });

  it("lets a run that can go on take a slot before a new one", async () => {
    const fixture = await suite.create();
    const order: string[] = [];
    const gate = createGate();
    await fixture.engine.run([{ ...agentA, concurrency: 1 }], async (ctx) => {
      if (ctx.task.source === "waits") await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 1_000 });
      if (ctx.task.source === "holds") await code(ctx, "hold", async () => { await gate.opened; return null; });
      order.push(ctx.task.source);
      return done(null);
    });
    await fixture.engine.start(newTask(fixture, { source: "waits" }));
    await quiet(fixture);
    await fixture.engine.start(newTask(fixture, { source: "holds" }));
    await until(() => fixture.changes.some(({ task }) => task.source === "holds" && task.status === "running"), "one holds the slot");
    await fixture.engine.start(newTask(fixture, { source: "new", priority: 9 }));
    await fixture.clock.advance(2_000, () => fixture.settle());

    gate.open();
    await quiet(fixture);

    expect(order).toEqual(["holds", "waits", "new"]);
  });

  it("keeps tasks of an agent that is not loaded in the queue", async () => {
    const fixture = await suite.create();
    await fixture.engine.run([agentA], async () => done(null));
    const { taskId } = await fixture.engine.start(newTask(fixture, { agent: "of a later version" }));

    await advance(fixture, dayMs);

    expect(await fixture.engine.get(taskId)).toMatchObject({ status: "queued", runId: null });
  });
}
