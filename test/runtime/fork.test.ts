import { defineAgent, defineTeam, type TeamDefinition } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let teams: DiskTeam[];
/** What the outside saw of calls that must not happen twice. */
let sent: string[];
beforeEach(() => {
  directory = temporaryDirectory();
  teams = [];
  sent = [];
});
afterEach(async () => {
  for (const team of teams) await team.close();
  directory.remove();
});

async function open(team: TeamDefinition, model = scriptedModel(() => "fine")): Promise<DiskTeam> {
  const opened = await openDiskTeam(team, { directory: `${directory.path}/team`, model });
  teams.push(opened);
  return opened;
}

async function afterCrash(team: DiskTeam, changed: TeamDefinition): Promise<DiskTeam> {
  const opened = await team.afterCrash({}, changed);
  teams.push(opened);
  return opened;
}

/** `clerk` takes these steps and mails; a mail hangs until the team is crashed when `hangs`. */
function mailing(steps: readonly string[], hangs: boolean): TeamDefinition {
  const clerk = defineAgent({
    name: "clerk",
    run: async (ctx) => {
      for (const name of steps) await ctx.step(name, () => name);
      const { mail } = ctx.tools({
        mail: {
          execute: ({ to }: { readonly to: string }, { toolCallId }: { readonly toolCallId: string }): Promise<string> => {
            sent.push(`${to} ${toolCallId}`);
            return hangs ? new Promise(() => undefined) : Promise.resolve(`sent to ${to}`);
          },
        },
      });
      return { mail: await mail.execute({ to: "ann" }, { toolCallId: "call-1" }) };
    },
  });
  return defineTeam({ name: "t", agents: [clerk] });
}

test("a once call that a crash cut off is not made again after a skip: a person is asked, and the answer reaches the new run", async () => {
  const before = await open(mailing(["gone", "kept"], true));
  const taskId = await before.submit("clerk", null);
  await before.settle();
  const team = await afterCrash(before, mailing(["kept"], false));
  await team.advance(6_000);
  expect(await team.task(taskId)).toMatchObject({ waitingReason: "code-mismatch" });

  const skipped = await team.live.operations.skip(taskId);
  await team.settle();

  expect(skipped).toMatchObject({ expected: "code gone (step 1)", came: "code kept", task: { status: "queued" } });
  const { waitingReason, runId } = await team.task(taskId);
  expect([waitingReason, sent]).toEqual(["unknown-effect", ["ann call-1"]]);
  expect(await team.live.operations.approve(String(runId), "happened", "it was sent")).toBe(1);
  expect(await team.result(taskId)).toMatchObject({ status: "done", output: { mail: "it was sent" } });
  expect(sent).toHaveLength(1);
  const [control] = await team.records({ eventTypes: ["control"] });
  expect(control).toMatchObject({ result: "skip", task_id: taskId, agent_id: "clerk", data: { expected: "code gone (step 1)", expectedStep: { name: "gone" } } });
});

test("a call that waits for a person's word is served with its question to a fork, and approved there", async () => {
  const before = await open(mailing(["one"], true));
  const taskId = await before.submit("clerk", null);
  await before.settle();
  const team = await afterCrash(before, mailing(["one"], false));
  await team.settle();
  expect(await team.task(taskId)).toMatchObject({ waitingReason: "unknown-effect" });
  await team.live.operations.cancel(taskId, "later");

  const forked = await team.live.operations.fork(taskId, 3);
  await team.settle();

  expect(forked).toMatchObject({ created: false, served: 2 });
  expect(await team.task(taskId)).toMatchObject({ waitingReason: "unknown-effect" });
  expect(await team.live.operations.approve(String((await team.task(taskId)).runId), "retry")).toBe(1);
  expect(await team.result(taskId)).toMatchObject({ output: { mail: "sent to ann" } });
  expect(sent).toHaveLength(2);
});

test("a fork does not cut between a call whose effect nobody knew and the call that was decided on", async () => {
  const before = await open(mailing(["one"], true));
  const taskId = await before.submit("clerk", null);
  await before.settle();
  const team = await afterCrash(before, mailing(["one"], false));
  await team.settle();
  const runId = String((await team.task(taskId)).runId);
  await team.live.operations.approve(runId, "retry");
  expect(await team.result(taskId)).toMatchObject({ status: "done" });
  const calls = (await team.live.tasks.steps(runId)).filter(({ kind }) => kind === "tool").map(({ number }) => number);
  const [asked = 0, made = 0] = calls;

  for (let from = asked + 1; from <= made; from++) {
    await expect(team.live.operations.fork(taskId, from)).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining(`Use ${asked} to make the call again, or ${made + 1} to keep what came of it.`) as string });
  }

  expect(calls).toHaveLength(2);
  expect(sent).toHaveLength(2);
  expect(await team.live.operations.fork(taskId, made + 1)).toMatchObject({ created: true });
});

test.each(["happened", "fail"] as const)("a fork does not cut between a call whose effect nobody knew and the word of a person: %s", async (decision) => {
  const before = await open(mailing(["one"], true));
  const taskId = await before.submit("clerk", null);
  await before.settle();
  const team = await afterCrash(before, mailing(["one"], false));
  await team.settle();
  const runId = String((await team.task(taskId)).runId);
  await team.live.operations.approve(runId, decision);
  await team.result(taskId);
  const steps = await team.live.tasks.steps(runId);
  const [asked = 0, decided = 0] = ["tool", "decided"].map((what) => steps.find(({ kind, name }) => kind === what || name.endsWith(`/${what}`))?.number ?? 0);

  for (let from = asked + 1; from <= decided; from++) {
    await expect(team.live.operations.fork(taskId, from)).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining(`Use ${asked} to make the call again, or ${decided + 1} to keep what came of it.`) as string });
  }

  expect(decided).toBe(asked + 2);
  await team.live.operations.fork(taskId, decided + 1);
  await team.settle();
  expect(await team.live.tasks.list({ statuses: ["waiting"] })).toEqual([]);
});

test("the run that a fork left behind answers no question, and says which run does", async () => {
  const before = await open(mailing(["one"], true));
  const taskId = await before.submit("clerk", null);
  await before.settle();
  const team = await afterCrash(before, mailing(["one"], false));
  await team.settle();
  const asked = String((await team.task(taskId)).runId);
  await team.live.operations.cancel(taskId, "later");
  await expect(team.live.operations.approve(asked, "happened")).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`task ${taskId} is canceled`) as string });
  await team.live.operations.fork(taskId, 3);
  await team.settle();
  const { runId } = await team.task(taskId);

  await expect(team.live.operations.approve(asked, "happened")).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`longhaul approve ${runId}`) as string });

  expect((await team.records({ taskId, eventTypes: ["approval"] })).map(({ reason }) => reason).filter((reason) => reason?.includes("r_"))).toEqual([]);
  expect(await team.live.operations.approve(String(runId), "happened")).toBe(1);
});

test("a fork calls no model of its prefix again, and pays for it once", async () => {
  let calls = 0;
  const model = scriptedModel(() => {
    calls++;
    if (calls === 3) return "fine";
    return calls === 2 ? { text: "", finishReason: "content-filter" } : { toolCalls: [{ toolName: "look", input: {}, callId: "c1" }] };
  });
  const looker = defineAgent({ name: "looker", model: "anthropic/test", instructions: "Look.", tools: [] });
  const team = await open(defineTeam({ name: "t", agents: [looker] }), model);
  const taskId = await team.submit("looker", null);
  expect(await team.result(taskId)).toMatchObject({ status: "dead", reason: "refused" });
  const records = await team.records({ taskId, eventTypes: ["model_call"] });
  expect(records).toHaveLength(2);

  const forked = await team.live.operations.fork(taskId, 3);
  await team.settle();

  expect(forked.served).toBe(2);
  expect(calls).toBe(3);
  expect(await team.task(taskId)).toMatchObject({ status: "done", end: { output: "fine" } });
  expect((await team.records({ taskId, eventTypes: ["model_call"] })).map(({ run_id }) => run_id)).toEqual([forked.ofRun, forked.ofRun, forked.task.runId]);
});

test("refuses by name and remedy what cannot be forked", async () => {
  const waiting = defineAgent({ name: "patient", run: (ctx) => ctx.waitFor("answer") });
  const gone = defineAgent({ name: "gone", run: (ctx) => ctx.step("one", () => 1) });
  const first = await open(defineTeam({ name: "t", agents: [waiting, gone] }));
  const openTask = await first.submit("patient", null);
  const doneTask = await first.submit("gone", null);
  await first.result(doneTask);
  const team = await afterCrash(first, defineTeam({ name: "t", agents: [waiting] }));
  await team.settle();
  const { operations } = team.live;

  await expect(operations.fork(openTask, 1)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`is waiting(signal); only one that has ended, or is parked (code-mismatch), is forked. Wait for its end, or end it with \`longhaul cancel ${openTask}\``) });
  await expect(operations.fork("t_none", 1)).rejects.toMatchObject({ code: "TASK_UNKNOWN" });
  await expect(operations.fork(doneTask, 1)).rejects.toMatchObject({ code: "AGENT_UNKNOWN" });
  for (const from of [0, 3, 1.5, Number.NaN]) await expect(operations.fork(doneTask, from)).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining(`from is ${from}. Run `) });
  await expect(operations.restart(doneTask)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining(`longhaul fork ${doneTask} --from 1`) });
  await operations.cancel(openTask, "enough");
  expect(await operations.fork(openTask, 1)).toMatchObject({ created: false, served: 0 });
});
