import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import type { NewTask } from "../record/task.ts";
import type { ChildGate, Execute } from "./engine.ts";
import { agentA, done, newTask, quiet, record, runToEnd, type EngineFixture, type EngineSuite } from "./engine-fixture.testsuite.ts";

const agents = [agentA, { ...agentA, name: "child" }];
const call = { kind: "child", name: "call" } as const;

/** A gate that holds as often as `holds` says, and what it was asked and told. */
function countingGate(holds: number): ChildGate & { asked: number; givenBack: number } {
  const gate = {
    asked: 0,
    givenBack: 0,
    ask: async ({ idempotencyKey }: Parameters<ChildGate["ask"]>[0]) => (++gate.asked > holds ? null : { held: { times: gate.asked }, writes: [record(idempotencyKey)] }),
    giveBack: () => void gate.givenBack++,
  };
  return gate;
}

/** Asks for one child until its gate lets it through, and returns how often that was in vain, and its end. */
function insistent(fixture: EngineFixture, gate: ChildGate, child: Execute, fields: Partial<NewTask> = {}): Execute {
  return async (ctx) => {
    if (ctx.task.agent === "child") return await child(ctx);
    for (let held = 0; ; held++) {
      const end = await ctx.child(call, newTask(fixture, { id: `child of ${ctx.task.id}`, agent: "child", ...fields }), gate);
      if (!("held" in end)) return done([held, end as unknown as Json]);
      await ctx.wait({ name: "call/parked", reason: "breaker", timeoutMs: 60_000 });
    }
  };
}

export function testChildGate(suite: EngineSuite): void {
  describe("children behind a gate", () => {
    it("are not made while it holds them: what it says is journaled, and is what a replay is told", async () => {
      let fixture = await suite.create();
      const gate = countingGate(2);
      await fixture.engine.run(agents, insistent(fixture, gate, async () => done("child's")));
      const { taskId } = await fixture.engine.start(newTask(fixture));
      await quiet(fixture);
      const waiting = await fixture.engine.get(taskId);
      expect(waiting).toMatchObject({ status: "waiting", waitingReason: "breaker" });
      expect(await fixture.engine.list({ agent: "child" })).toEqual([]);
      const runId = String(waiting?.runId);
      expect(await fixture.recorded()).toEqual([`${runId}/child/call/1`]);

      fixture = await suite.crash(fixture);
      await fixture.engine.run(agents, insistent(fixture, gate, async () => done("child's")));

      expect(await runToEnd(fixture, taskId)).toMatchObject({ output: [2, { status: "done", output: "child's" }] });
      expect([gate.asked, gate.givenBack]).toEqual([3, 0]);
      expect(await fixture.engine.list({ agent: "child" })).toHaveLength(1);
      const steps = (await fixture.engine.steps(runId)).filter(({ kind }) => kind === "child");
      expect(steps.map(({ outcome }) => (outcome.ok ? outcome.value : null))).toMatchObject([{ held: { times: 1 } }, { held: { times: 2 } }, { status: "done" }]);
      expect(await fixture.recorded()).toEqual([`${runId}/child/call/1`, `${runId}/child/call/2`]);
    });

    it("are let through once: of one that exists it is not asked, however often the run is called again", async () => {
      let fixture = await suite.create();
      const gate = countingGate(0);
      const execute = (): Execute =>
        insistent(fixture, gate, async (ctx) => {
          await ctx.wait({ name: "nap", reason: "timer", timeoutMs: 3_600_000 });
          return done("late");
        });
      await fixture.engine.run(agents, execute());
      const { taskId } = await fixture.engine.start(newTask(fixture));
      await quiet(fixture);
      fixture = await suite.crash(fixture);
      await fixture.engine.run(agents, execute());
      await quiet(fixture);
      fixture = await suite.reopen(fixture);
      await fixture.engine.run(agents, execute());

      expect(await runToEnd(fixture, taskId)).toMatchObject({ output: [0, { output: "late" }] });
      expect([gate.asked, gate.givenBack]).toEqual([1, 0]);
    });

    it("that were let through and could not be made are given back", async () => {
      const fixture = await suite.create();
      const gate = countingGate(0);
      await fixture.engine.run([agentA, { ...agentA, name: "child", queueMax: 0 }], insistent(fixture, gate, async () => done(null)));
      const { taskId } = await fixture.engine.start(newTask(fixture));

      expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "dead", failure: { code: "QUEUE_FULL" } });
      expect([gate.asked, gate.givenBack]).toEqual([1, 1]);
    });

    it("fail with what it fails with", async () => {
      const fixture = await suite.create();
      const gate: ChildGate = { ask: () => Promise.reject(new RangeError("the gate's own")), giveBack: () => undefined };
      await fixture.engine.run(agents, insistent(fixture, gate, async () => done(null)));
      const { taskId } = await fixture.engine.start(newTask(fixture));

      expect(await runToEnd(fixture, taskId)).toMatchObject({ status: "dead", failure: { name: "RangeError", message: "the gate's own" } });
      expect(await fixture.engine.list({ agent: "child" })).toEqual([]);
    });
  });
}
