import { defineAgent, defineTeam } from "longhaul";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { openOfflineTeam } from "../../src/runtime/offline-team.ts";
import { approvalsOf, createPayingWorld, hourMs, type PayingWorld } from "../fixture/paying-team.ts";

const waitingForHuman = { status: "waiting", waitingReason: "human" };

let world: PayingWorld;
beforeEach(() => {
  world = createPayingWorld();
});
afterEach(() => world.close());

describe("after a crash", () => {
  test("the question waits on, its time goes on, and the answer is taken", async () => {
    const { team: before, taskId, runId } = await world.start(world.team());
    const team = await world.crash(before);
    expect(await team.task(taskId)).toMatchObject({ ...waitingForHuman, runId });
    const again = await world.crash(team);

    expect((await again.live.operations.questions())).toMatchObject([{ runId, kind: "permission", call: "c1", tool: "pay", arguments: { to: "ann", amount: 10 } }]);
    await again.live.operations.approve(runId, "allow");

    expect(await again.result(taskId)).toMatchObject({ output: '[{"paid":10}]' });
    expect((await approvalsOf(again)).map(({ result }) => result), "it was asked once").toEqual(["asked", "allowed"]);
  });

  test("a question that ran out while nobody ran is not answered by who comes late", async () => {
    const { team: before, taskId, runId } = await world.start(world.team({ approvalWithin: "1h" }));
    const late = await world.crash(before, { afterMs: 2 * hourMs });

    await expect(late.live.operations.approve(runId, "allow")).rejects.toMatchObject({ code: "TASK_STATE" });
    expect(await late.result(taskId)).toMatchObject({ output: expect.stringContaining("nobody gave it") as string });
    expect(world.paid).toEqual([]);
  });

  test("an answer that is given while nobody runs is taken at the next start, and one that comes too late is refused at once", async () => {
    const { team: before, taskId, runId } = await world.start(world.team({ approvalWithin: "1h" }));
    await world.stop(before);
    const answerAfter = async (ms: number): Promise<number> => {
      const offline = await openOfflineTeam({ dataDirectory: before.directory, clock: new VirtualClock(before.clock.now() + ms), random: seededRandom(7) });
      try {
        return await offline.operations.approve(runId, "allow", null, { source: "cli" });
      } finally {
        await offline.close();
      }
    };

    await expect(answerAfter(2 * hourMs)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("nobody had answered it, and nothing was allowed") as string });
    expect(await answerAfter(hourMs / 2)).toBe(1);
    await expect(answerAfter(hourMs / 2)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("answered before") as string });
    const team = await world.crash(before, { afterMs: hourMs });

    expect(await team.result(taskId)).toMatchObject({ output: '[{"paid":10}]' });
  });

  test("in the middle of an allowed call the same permission covers the retry, under the same key", async () => {
    world.hangs = 1;
    const { team: before, taskId, runId } = await world.start(world.team());
    await before.live.operations.approve(runId, "allow");
    await before.settle();
    expect(world.keys).toHaveLength(1);
    const team = await world.crash(before);

    expect(await team.result(taskId)).toMatchObject({ output: '[{"paid":10}]' });
    expect(new Set(world.keys).size).toBe(1);
    expect((await approvalsOf(team)).map(({ result }) => result)).toEqual(["asked", "allowed"]);
  });

  test("in the middle of an allowed once call it is asked whether it happened, and the word about that is not a new permission question", async () => {
    world.hangs = 1;
    const { team: before, taskId, runId } = await world.start(world.team({ effect: "once" }));
    await before.live.operations.approve(runId, "allow");
    await before.settle();
    const team = await world.crash(before);

    expect(await team.task(taskId)).toMatchObject({ waitingReason: "unknown-effect" });
    await expect(team.live.operations.approve(runId, "allow")).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("--happened, --retry or --fail") as string });
    await team.live.operations.approve(runId, "retry");

    expect(await team.result(taskId)).toMatchObject({ output: '[{"paid":10}]' });
    expect(new Set(world.keys).size).toBe(1);
    expect((await approvalsOf(team)).map(({ result }) => result)).toEqual(["asked", "allowed", "asked", "answered"]);
  });

  test("a call that did not begin in the time of its permission is asked about again", async () => {
    world.hangs = 1;
    const { team: before, taskId, runId } = await world.start(world.team({ approvalWithin: "1h" }));
    await before.live.operations.approve(runId, "allow");
    await before.settle();
    const team = await world.crash(before, { afterMs: 2 * hourMs });

    expect(await team.task(taskId)).toMatchObject(waitingForHuman);
    expect((await approvalsOf(team)).at(-1)).toMatchObject({ result: "asked", reason: expect.stringContaining("did not begin in time") as string });
    expect(world.paid).toHaveLength(1);
    await team.live.operations.approve(runId, "allow");
    expect(await team.result(taskId)).toMatchObject({ status: "done" });
  });

  test("a once call that may have happened is settled before anybody is asked to allow it again", async () => {
    world.hangs = 1;
    const { team: before, taskId, runId } = await world.start(world.team({ effect: "once", approvalWithin: "1h" }));
    await before.live.operations.approve(runId, "allow");
    await before.settle();
    const team = await world.crash(before, { afterMs: 2 * hourMs });

    expect(await team.task(taskId)).toMatchObject({ waitingReason: "unknown-effect" });
    await team.live.operations.approve(runId, "happened", { paid: 10 });
    expect(await team.result(taskId)).toMatchObject({ output: '[{"paid":10}]' });
    expect(world.paid).toHaveLength(1);
  });
});

describe("an allowed call", () => {
  /** Pays what the code says: that may change while a person is asked. */
  const coded = (amount: number, tool: "pay" | "give" = "pay") =>
    defineTeam({
      name: "t",
      agents: [defineAgent({
        name: "clerk",
        run: async (ctx) => ctx.tools({ [tool]: world.foreignTool }, { effects: { [tool]: "idempotent" }, needsApproval: { [tool]: true } })[tool]?.execute({ to: "ann", amount }, { toolCallId: "c1" }),
      })],
    });

  test.each([
    ["with other arguments", 1_000_000, "pay"],
    ["of another tool", 10, "give"],
  ] as const)("%s than a person saw, since the code changed meanwhile, is asked about again", async (_, amount, tool) => {
    const { team: before, taskId, runId } = await world.start(coded(10));
    const team = await world.crash(before, { definition: coded(amount, tool) });
    await team.live.operations.approve(runId, "allow");
    await team.settle();

    expect(world.paid).toEqual([]);
    expect(await team.task(taskId)).toMatchObject(waitingForHuman);
    expect(await team.live.operations.questions()).toMatchObject([{ tool, arguments: { to: "ann", amount } }]);
    await team.live.operations.approve(runId, "allow");
    await team.result(taskId);
    expect(world.paid).toEqual([{ to: "ann", amount }]);
  });

  test("is not made by a fork under the permission of the run that it is a fork of", async () => {
    world.hangs = 1;
    const { team, taskId, runId } = await world.start(world.team());
    await team.live.operations.approve(runId, "allow");
    await team.settle();
    await team.live.operations.cancel(taskId, "think again");
    const steps = await team.live.tasks.steps(runId);
    const last = Math.max(...steps.map(({ number }) => number));

    await team.live.operations.fork(taskId, last + 1);
    await team.settle();

    expect(world.paid).toHaveLength(1);
    expect(await team.task(taskId)).toMatchObject(waitingForHuman);
    await team.live.operations.approve(String((await team.task(taskId)).runId), "allow");
    expect(await team.result(taskId)).toMatchObject({ output: '[{"paid":10}]' });
  });

  test("is not cut off from its question and its answer by a fork", async () => {
    const { team, taskId, runId } = await world.start(world.team());
    await team.live.operations.approve(runId, "allow");
    await team.result(taskId);
    const steps = await team.live.tasks.steps(runId);
    const asked = steps.find(({ kind }) => kind === "tool")?.number ?? 0;
    const called = steps.findLast(({ kind }) => kind === "tool")?.number ?? 0;

    for (let from = asked + 1; from <= called; from++) await expect(team.live.operations.fork(taskId, from)).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("about which a person was asked") as string });
    const { task } = await team.live.operations.fork(taskId, asked);
    await team.settle();

    expect(await team.task(task.id), "asked anew").toMatchObject(waitingForHuman);
    expect(world.paid).toHaveLength(1);
  });

  test("that is asked about in one run is allowed in the run that a skip makes of it", async () => {
    const steps = (names: readonly string[]) =>
      defineTeam({
        name: "t",
        agents: [defineAgent({
          name: "clerk",
          run: async (ctx) => {
            for (const name of names) await ctx.step(name, () => name);
            return ctx.tools({ pay: world.foreignTool }, { needsApproval: { pay: true } }).pay.execute({ to: "ann", amount: 1 }, { toolCallId: "c1" });
          },
        })],
      });
    const { team: before, taskId, runId } = await world.start(steps(["gone", "kept"]));
    const team = await world.crash(before, { definition: steps(["kept"]) });
    await team.live.operations.approve(runId, "allow");
    await team.advance(6_000);
    expect(await team.task(taskId)).toMatchObject({ waitingReason: "code-mismatch" });

    await team.live.operations.skip(taskId);
    await team.settle();
    const { runId: skipped } = await team.task(taskId);

    expect(skipped).not.toBe(runId);
    expect(await team.task(taskId), "the word was given to the run before, with its code").toMatchObject(waitingForHuman);
    expect(world.paid).toEqual([]);
    await team.live.operations.approve(String(skipped), "allow");
    expect(await team.result(taskId)).toMatchObject({ status: "done", output: 1 });
  });
});
