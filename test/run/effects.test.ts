import { defineAgent, defineTeam, defineTool } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import type { Reconciliation } from "../../src/tool/tool.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/** What the outside saw of a tool. */
interface Mailer {
  readonly keys: string[];
  readonly reconciled: string[];
  /** How often a call hangs before calls go through. */
  hangs: number;
}

const hanging = (signal: AbortSignal): Promise<never> => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));

function mailingTeam(mailer: Mailer, changes: { readonly reconcile?: () => Promise<Reconciliation>; readonly effect?: "once" | "idempotent" } = {}) {
  const { reconcile, effect = "once" } = changes;
  const send = defineTool({
    name: "send", description: "Send a mail", inputSchema: z.object({ to: z.string() }), effect, timeout: "10s",
    execute: ({ to }, { idempotencyKey, signal }) => {
      mailer.keys.push(idempotencyKey);
      return mailer.hangs-- > 0 ? hanging(signal) : { sentTo: to };
    },
    ...(reconcile === undefined ? {} : {
      reconcile: (_: unknown, { idempotencyKey }: { readonly idempotencyKey: string }) => {
        mailer.reconciled.push(idempotencyKey);
        return reconcile();
      },
    }),
  });
  return defineTeam({ name: "t", agents: [defineAgent({ name: "clerk", model: "anthropic/test", instructions: "Mail.", tools: [send] })] });
}

/** Calls `send`, then repeats what the tool answered. */
const model = () =>
  scriptedModel(({ messages }) => {
    const last = messages.at(-1);
    if (last?.role === "tool") return JSON.stringify(last.results[0]?.value);
    return { toolCalls: [{ toolName: "send", input: { to: "ann" }, callId: "c1" }] };
  });

let directory: ReturnType<typeof temporaryDirectory>;
let mailer: Mailer;
let teams: DiskTeam[];
beforeEach(() => {
  directory = temporaryDirectory();
  mailer = { keys: [], reconciled: [], hangs: 1 };
  teams = [];
});
afterEach(async () => {
  for (const team of teams) await team.close();
  directory.remove();
});

async function start(team: ReturnType<typeof mailingTeam>): Promise<{ readonly team: DiskTeam; readonly taskId: string }> {
  const opened = await openDiskTeam(team, { directory: `${directory.path}/team`, model: model() });
  teams.push(opened);
  const taskId = await opened.submit("clerk", null);
  await opened.settle();
  return { team: opened, taskId };
}

/** A team whose process dies in the middle of the call, and the team after it. */
async function crashInCall(definition: ReturnType<typeof mailingTeam>): Promise<{ readonly team: DiskTeam; readonly taskId: string; readonly runId: string }> {
  const { team: before, taskId } = await start(definition);
  expect(mailer.keys).toHaveLength(1);
  const team = await before.afterCrash();
  teams.push(team);
  await team.settle();
  return { team, taskId, runId: (await team.task(taskId)).runId ?? "" };
}

test("the intent of a once call is on disk before the call is made", async () => {
  const { team } = await start(mailingTeam(mailer));

  const db = SqliteDatabase.openReadOnly(`${directory.path}/team/longhaul.db`);
  const intents = db.all("SELECT key, state, tool_name FROM lh_effect");
  db.close();

  expect(intents).toEqual([{ key: mailer.keys[0], state: "intended", tool_name: "send" }]);
  expect(await team.records({ eventTypes: ["tool_call"] })).toEqual([]);
});

test("each call has a key of its own", async () => {
  mailer.hangs = 0;
  const model = scriptedModel(({ messages }) => (messages.at(-1)?.role === "tool" ? "done" : { toolCalls: [1, 2, 3].map((n) => ({ toolName: "send", input: { to: `ann${n}` } })) }));
  const team = await openDiskTeam(mailingTeam(mailer), { directory: `${directory.path}/team`, model });
  teams.push(team);

  await team.result(await team.submit("clerk", null));
  await team.result(await team.submit("clerk", null));

  expect(mailer.keys).toHaveLength(6);
  expect(new Set(mailer.keys).size).toBe(6);
});

test("an idempotent call that a crash interrupted is made again under the same key", async () => {
  const { team, taskId } = await crashInCall(mailingTeam(mailer, { effect: "idempotent" }));

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann"}' });
  expect(mailer.keys).toHaveLength(2);
  expect(new Set(mailer.keys).size).toBe(1);
});

test("after a crash the tool's word that the call happened is its result, and the call is not made again", async () => {
  const { team, taskId, runId } = await crashInCall(mailingTeam(mailer, { reconcile: async () => ({ happened: true, value: { sentTo: "ann", found: true } }) }));

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann","found":true}' });
  expect(mailer.keys).toHaveLength(1);
  expect(mailer.reconciled).toEqual(mailer.keys);
  expect(await team.records({ runId, eventTypes: ["tool_call"] })).toMatchObject([{ result: "success", reason: "It was not known whether this call had happened. reconcile says that it had", data: { reconciled: "happened" } }]);
});

test("after a crash the tool's word that the call did not happen makes it again, under the same key", async () => {
  const { team, taskId, runId } = await crashInCall(mailingTeam(mailer, { reconcile: async () => ({ happened: false }) }));

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann"}' });
  expect(mailer.keys).toHaveLength(2);
  expect(new Set(mailer.keys).size).toBe(1);
  expect(await team.records({ runId, eventTypes: ["tool_call"] })).toMatchObject([{ result: "success", reason: "It was not known whether an earlier attempt had made this call. reconcile says that it had not: it was made", data: { reconciled: "not-happened" } }]);
});

test("after a crash the tool's word that the call did not happen is not believed at once: the call may still be on its way", async () => {
  const words: Reconciliation[] = [{ happened: false }, { happened: true, value: { sentTo: "ann", late: true } }];
  const { team, taskId } = await crashInCall(mailingTeam(mailer, { reconcile: async () => words.shift() ?? { happened: false } }));
  await team.advance(2_000);

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann","late":true}' });
  expect(mailer.keys).toHaveLength(1);
  expect(mailer.reconciled).toHaveLength(2);
});

test("a call that took too long may have got through a moment later: its tool is asked twice before the model hears that it failed", async () => {
  const words: Reconciliation[] = [{ happened: false }, { happened: true, value: { sentTo: "ann", late: true } }];
  const { team, taskId } = await start(mailingTeam(mailer, { reconcile: async () => words.shift() ?? { happened: false } }));
  await team.advance(10_000);
  await team.advance(2_000);

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann","late":true}' });
  expect(mailer.keys).toHaveLength(1);
});

test.each([
  ["no reconcile", undefined],
  ["a reconcile that does not know", async () => ({ happened: "unknown" }) as const],
  ["a reconcile that fails", () => Promise.reject(new Error("the mail server is down"))],
])("after a crash a once call with %s waits for a human and is never made blindly", async (_, reconcile) => {
  const { team, taskId } = await crashInCall(mailingTeam(mailer, reconcile === undefined ? {} : { reconcile }));
  await team.advance(3_600_000);

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
  expect(mailer.keys).toHaveLength(1);
  const [asked] = await team.records({ eventTypes: ["approval"] });
  expect(asked).toMatchObject({ result: "asked", tool_name: "send", tool_args: { to: "ann" }, reason: "It is not known whether this call happened: an earlier attempt was interrupted. Look, then decide: longhaul approve" });
});

test("a once call that a crash interrupted waits for a human too when its tool is gone: the model is not told that it failed", async () => {
  const { team: before, taskId } = await start(mailingTeam(mailer));
  const withoutTool = defineTeam({ name: "t", agents: [defineAgent({ name: "clerk", model: "anthropic/test", instructions: "Mail." })] });
  const team = await before.afterCrash({}, withoutTool);
  teams.push(team);
  await team.settle();

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
  expect((await team.records({ eventTypes: ["approval"] }))[0]?.reason).toContain('There is no tool "send"');
  expect(mailer.keys).toHaveLength(1);
});

test("a human says that it happened, and what came of it", async () => {
  const { team, taskId, runId } = await crashInCall(mailingTeam(mailer));

  expect(await team.live.operations.approve(runId, "happened", { sentTo: "ann", by: "human" })).toBe(1);

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann","by":"human"}' });
  expect(mailer.keys).toHaveLength(1);
  expect((await team.records({ eventTypes: ["approval"] })).map(({ result, reason }) => [result, reason?.slice(0, 8)])).toEqual([["asked", "It is no"], ["answered", "happened"]]);
  await expect(team.live.operations.approve(runId, "retry")).rejects.toMatchObject({ code: "TASK_STATE" });
});

test("a human gives it up, and the model is told so", async () => {
  const { team, taskId, runId } = await crashInCall(mailingTeam(mailer));

  await team.live.operations.approve(runId, "fail");

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '"The call was given up by an operator."' });
  expect(mailer.keys).toHaveLength(1);
});

test("a human has it made again: under the same key, and a second unknown outcome asks again", async () => {
  mailer.hangs = 2;
  const { team, taskId, runId } = await crashInCall(mailingTeam(mailer));

  await team.live.operations.approve(runId, "retry");
  await team.advance(11_000);
  expect(await team.task(taskId), "the second call ran into its timeout").toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
  expect(await team.live.operations.approve(runId, "retry")).toBe(1);

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann"}' });
  expect(mailer.keys).toHaveLength(3);
  expect(new Set(mailer.keys).size).toBe(1);
});

test("a signal that anybody may send is not taken for a decision", async () => {
  const { team, taskId, runId } = await crashInCall(mailingTeam(mailer));
  const [asked] = await team.records({ eventTypes: ["approval"] });

  await expect(team.live.operations.signal(runId, String(asked?.data["signal"]), { decision: "retry" })).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("longhaul approve") as string });
  await team.settle();
  expect(mailer.keys).toHaveLength(1);
  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });

  await team.live.operations.approve(runId, "fail");
  expect(await team.result(taskId)).toMatchObject({ status: "done" });
});

test("a once call that runs into its timeout may have happened: a human decides", async () => {
  const { team, taskId } = await start(mailingTeam(mailer));
  await team.advance(11_000);

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
  const [asked] = await team.records({ eventTypes: ["approval"] });
  expect(asked?.reason).toContain("Tool send did not end within its timeout of 10 s");
});

/** A tool that does not hear when it is told to stop: it ends when the test says so, or never. */
function deafTeam(effect: "once" | "read", calls: Deaf[], more: { readonly reconcile?: () => Promise<Reconciliation> } = {}) {
  const send = defineTool({
    name: "send", description: "Send a mail", inputSchema: z.object({ to: z.string() }), effect, timeout: "10s",
    execute: () => new Promise((resolve, reject) => void calls.push({ end: resolve, fail: reject })), ...more,
  });
  return defineTeam({ name: "t", agents: [defineAgent({ name: "clerk", model: "anthropic/test", instructions: "Mail.", tools: [send] })] });
}

interface Deaf {
  readonly end: (value: unknown) => void;
  readonly fail: (error: Error) => void;
}

/** Calls the deaf tool and lets its time run out. */
async function timedOut(effect: "once" | "read", calls: Deaf[]): Promise<{ readonly team: DiskTeam; readonly taskId: string; readonly runId: string }> {
  const { team, taskId } = await start(deafTeam(effect, calls));
  await team.advance(11_000);
  return { team, taskId, runId: (await team.task(taskId)).runId ?? "" };
}

const lateOf = async (team: DiskTeam, type: "tool_call" | "approval") => (await team.records({ eventTypes: [type] })).filter(({ data }) => data["late"] === true);

// can1357/oh-my-pi#8798: a tool's promise never settles, and neither Esc nor quit ends it.
test("S14 a tool that never ends and does not hear its signal does not hold the run, nor its cancellation, nor a drain", async () => {
  const calls: Deaf[] = [];
  const { team, taskId } = await timedOut("read", calls);
  expect(await team.result(taskId)).toMatchObject({ status: "done", output: expect.stringContaining("did not end within its timeout of 10 s") });

  const canceled = await team.submit("clerk", null);
  await team.settle();
  expect(calls).toHaveLength(2);
  await team.live.operations.cancel(canceled, "enough");
  await team.settle();
  expect(await team.task(canceled)).toMatchObject({ status: "canceled" });

  await team.submit("clerk", null);
  await team.settle();
  expect(calls).toHaveLength(3);
  await expect(team.live.drain(0)).resolves.toMatchObject({ interrupted: 1 });
});

test("what a call came to after its time was up is recorded as late, and applied to nothing", async () => {
  const calls: Deaf[] = [];
  const { team, taskId } = await timedOut("read", calls);
  const end = await team.result(taskId);

  calls[0]?.end({ sentTo: "late" });
  await team.settle();

  const [late, ...others] = await lateOf(team, "tool_call");
  expect(others).toEqual([]);
  expect(late).toMatchObject({ result: "success", tool_name: "send", task_id: taskId, id: expect.stringMatching(/\/late\//) });
  expect((await team.task(taskId)).end).toEqual(end);
  expect((await team.records({ eventTypes: ["tool_call"] })).filter(({ data }) => data["late"] !== true)).toMatchObject([{ result: "error" }]);
});

test("a call that stops because it was told to leaves no late record", async () => {
  const { team } = await start(mailingTeam(mailer, { effect: "idempotent" }));
  await team.advance(11_000);

  expect(await team.records({ eventTypes: ["tool_call"] })).toMatchObject([{ result: "error" }]);
});

test.each(["happened", "retry"] as const)("the late success of a once call is in the ledger: whoever is asked is told, and %s takes it without another call", async (decision) => {
  const calls: Deaf[] = [];
  const { team, taskId, runId } = await timedOut("once", calls);
  expect(await team.task(taskId)).toMatchObject({ waitingReason: "unknown-effect" });

  calls[0]?.end({ sentTo: "ann", late: true });
  await team.settle();

  expect(await team.task(taskId), "nothing is applied without a word").toMatchObject({ waitingReason: "unknown-effect" });
  expect(await lateOf(team, "approval")).toMatchObject([{ result: "late", reason: expect.stringContaining('too late to count: {"sentTo":"ann","late":true}') }]);
  await team.live.operations.approve(runId, decision);
  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann","late":true}' });
  expect(calls).toHaveLength(1);
});

test("a once call that succeeds while its tool is asked whether it happened has succeeded, whatever the tool says", async () => {
  const calls: Deaf[] = [];
  const { team, taskId } = await start(deafTeam("once", calls, { reconcile: async () => ({ happened: false }) }));
  await team.advance(10_000);
  await team.advance(1_000);
  calls[0]?.end({ sentTo: "ann", slowly: true });
  await team.settle();
  await team.advance(1_000);

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann","slowly":true}' });
  expect(calls).toHaveLength(1);
  expect(await team.records({ eventTypes: ["tool_call"] })).toMatchObject([{ result: "success" }]);
});

test("the late failure of a once call proves nothing: it is recorded, and a retry makes the call again", async () => {
  const calls: Deaf[] = [];
  const { team, taskId, runId } = await timedOut("once", calls);
  calls[0]?.fail(new Error("the line is dead"));
  await team.settle();
  expect(await lateOf(team, "tool_call")).toMatchObject([{ result: "error", reason: "failed: Tool send failed: the line is dead" }]);
  expect(await lateOf(team, "approval")).toEqual([]);

  await team.live.operations.approve(runId, "retry");
  await team.settle();
  expect(calls).toHaveLength(2);
  calls[1]?.end({ sentTo: "ann" });

  expect(await team.result(taskId)).toMatchObject({ status: "done", output: '{"sentTo":"ann"}' });
});

test("a late result never replaces what a person said", async () => {
  const calls: Deaf[] = [];
  const { team, taskId, runId } = await timedOut("once", calls);
  await team.live.operations.approve(runId, "happened", { by: "human" });
  const end = await team.result(taskId);

  calls[0]?.end({ sentTo: "late" });
  await team.settle();

  expect(end).toMatchObject({ status: "done", output: '{"by":"human"}' });
  expect((await team.task(taskId)).end).toEqual(end);
  const db = SqliteDatabase.openReadOnly(`${directory.path}/team/longhaul.db`);
  expect(String(db.all("SELECT result FROM lh_effect")[0]?.["result"])).toContain("human");
  db.close();
});
