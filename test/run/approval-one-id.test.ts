import { defineAgent, defineTeam, type RunContext } from "longhaul";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "../../src/base/json.ts";
import type { CompletedStep } from "../../src/record/step.ts";
import { parkedToJson } from "../../src/run/parked.ts";
import { listQuestions } from "../../src/run/question.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";
import { approvalsOf, createPayingWorld, hourMs, pay, payer, type PayingWorld } from "../fixture/paying-team.ts";

let world: PayingWorld;
beforeEach(() => {
  world = createPayingWorld();
});
afterEach(() => world.close());

const callsOf = async (team: DiskTeam) => (await team.live.operations.questions()).map(({ call }) => call);

describe("two calls to which one turn gave one id", () => {
  test.each([["the second first", 1, 0], ["the first first", 0, 1]] as const)("are told apart by the names that are printed, answered %s", async (_, allowed, denied) => {
    const amounts = [10, 20];
    const { team, taskId, runId } = await world.start(world.team(), payer([pay("c1", 10), pay("c1", 20)]));
    const names = await callsOf(team);
    expect(new Set(names).size).toBe(2);
    for (const call of ["c1", "t1/tool/c1"]) await expect(team.live.operations.approve(runId, "allow", null, { call })).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(names.join(", ")) as string });

    await team.live.operations.approve(runId, "allow", null, { call: String(names[allowed]) });
    await team.settle();
    expect(world.paid).toEqual([{ to: "ann", amount: amounts[allowed] }]);
    expect(await callsOf(team)).toHaveLength(1);
    await expect(team.live.operations.approve(runId, "allow", null, { call: String(names[allowed]) })).rejects.toMatchObject({ message: expect.stringContaining("was answered before: allow") as string });
    await team.live.operations.approve(runId, "deny", null, { call: String(names[denied]) });

    expect(await team.result(taskId)).toMatchObject({ status: "done" });
    expect(world.paid).toHaveLength(1);
    expect((await approvalsOf(team)).map(({ result }) => result)).toEqual(["asked", "asked", "allowed", "denied"]);
  });

  test("with the same arguments too: a word about the one is none about the other", async () => {
    const { team, taskId, runId } = await world.start(world.team(), payer([pay("c1"), pay("c1")]));
    const [first, second] = await callsOf(team);

    await team.live.operations.approve(runId, "deny", null, { call: String(second) });
    await team.settle();
    expect(await callsOf(team)).toHaveLength(1);
    await team.live.operations.approve(runId, "allow", null, { call: String(first) });

    expect(await team.result(taskId)).toMatchObject({ output: '[{"paid":10},"A person did not allow this call of pay."]' });
  });

  test("the end of the time of the one ends nothing of the other", async () => {
    const agent = defineAgent({
      name: "clerk",
      run: async (ctx: RunContext) => {
        const { pay: transfer } = ctx.tools({ pay: world.foreignTool }, { needsApproval: { pay: true }, approvalWithin: "1h" });
        const call = async (amount: number): Promise<string> => await transfer.execute({ to: "ann", amount }, { toolCallId: "c1" }).then(String, String);
        return await Promise.all([call(10), ctx.sleep("30m").then(() => call(20))]);
      },
    });
    const { team, taskId, runId } = await world.start(defineTeam({ name: "t", agents: [agent] }));
    await team.advance(hourMs + 60_000);
    expect(await callsOf(team)).toEqual(["c1"]);

    await team.live.operations.approve(runId, "allow");

    expect(await team.result(taskId)).toMatchObject({ status: "done" });
    expect(world.paid).toEqual([{ to: "ann", amount: 20 }]);
  });

  test("of which nobody knows whether they happened are decided one by one, in any order", async () => {
    const directory = temporaryDirectory();
    const made: string[] = [];
    let hangs = true;
    const agent = defineAgent({
      name: "a",
      run: async (ctx: RunContext) => {
        const { mail } = ctx.tools({ mail: { execute: ({ to }: { readonly to: string }, { toolCallId }: { readonly toolCallId: string }): Promise<string> => { made.push(to); return hangs ? new Promise(() => undefined) : Promise.resolve(`sent ${to} by ${toolCallId}`); } } });
        return await Promise.all([mail.execute({ to: "ann" }, { toolCallId: "call_0" }), mail.execute({ to: "bob" }, { toolCallId: "call_0" })]);
      },
    });
    const definition = defineTeam({ name: "t", agents: [agent] });
    const before = await openDiskTeam(definition, { directory: `${directory.path}/t` });
    const taskId = await before.submit("a", null);
    await before.settle();
    hangs = false;
    const team = await before.afterCrash({}, definition);
    await team.settle();
    const runId = String((await team.task(taskId)).runId);
    const [ann, bob] = await callsOf(team);

    await team.live.operations.approve(runId, "retry", null, { call: String(bob) });
    await team.settle();
    await team.live.operations.approve(runId, "happened", "it was there", { call: String(ann) });

    expect(await team.result(taskId)).toMatchObject({ output: ["it was there", "sent bob by call_0"] });
    expect(made).toEqual(["ann", "bob", "bob"]);
    await before.close();
    await team.close();
    directory.remove();
  });
});

describe("what an earlier version noted", () => {
  const step = (fields: Pick<CompletedStep, "kind" | "name" | "occurrence" | "number"> & { readonly value: Json }): CompletedStep => {
    const { value, ...identity } = fields;
    return { ...identity, seq: fields.number, attempt: 1, startedAtMs: 0, completedAtMs: 0, outcome: { ok: true, value } };
  };
  const asked = (occurrence: number, number: number) => step({ kind: "tool", name: "t1/tool/c1", occurrence, number, value: parkedToJson({ parked: "unknown-effect", forMs: null, signal: `longhaul:effect:r/${occurrence}`, effectKey: "k" }) });
  const answered = (occurrence: number, number: number, payload: Json) => step({ kind: "wait", name: "t1/tool/c1/decision", occurrence, number, value: { by: "signal", payload } });
  const decided = (occurrence: number, number: number, value: Json) => step({ kind: "code", name: "t1/tool/c1/decided", occurrence, number, value });
  const stateOf = (steps: readonly CompletedStep[]) => listQuestions(steps).map(({ answer, isDecided }) => [answer === null || answer === "expired" ? answer : answer.decision, isDecided]);

  test("is read by its order, also beside what names its question", () => {
    const old = [asked(1, 1), answered(1, 2, { decision: "retry" }), decided(1, 3, null)];
    expect(stateOf(old)).toEqual([["retry", true]]);
    expect(stateOf([...old, asked(2, 4)])).toEqual([["retry", true], [null, false]]);
    expect(stateOf([...old, asked(2, 4), answered(2, 5, { decision: "fail", signal: "longhaul:effect:r/2" }), decided(2, 6, { decided: "longhaul:effect:r/2", result: null })])).toEqual([["retry", true], ["fail", true]]);
    expect(stateOf([asked(1, 1), answered(1, 2, { decision: "happened" }), decided(1, 3, { ok: true, value: "late" })])).toEqual([["happened", true]]);
  });
});
