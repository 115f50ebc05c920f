import { defineAgent, defineTeam, type TeamDefinition } from "longhaul";
import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { listApprovals } from "../../src/cli/command/approve.ts";
import { createOutput } from "../../src/cli/output.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/** Mails, and is done after an hour whether or not that is known to have happened. */
function mailing(hangs: boolean): TeamDefinition {
  const clerk = defineAgent({
    name: "clerk",
    run: async (ctx) => {
      const { mail } = ctx.tools({ mail: { execute: ({ to }: { readonly to: string }, call: { readonly toolCallId: string }): Promise<string> => (hangs ? new Promise(() => undefined) : Promise.resolve(`${to} ${call.toolCallId}`)) } });
      await Promise.race([mail.execute({ to: "ann" }, { toolCallId: "call-1" }), ctx.sleep("1h")]);
      return null;
    },
  });
  return defineTeam({ name: "t", agents: [clerk] });
}

async function listed(data: string): Promise<string> {
  let text = "";
  const stream = { write: (part: string) => (text += part) };
  const output = createOutput({ stdout: stream, stderr: stream, isJson: false, hasColors: false });
  await listApprovals({ output, data, store: null, clock: systemClock, random: systemRandom, environment: () => undefined });
  return text;
}

test("what waits for a person's word is listed while anything else is awaited beside it, in a fork that is a task of its own too, and not when nobody waits any more", async () => {
  const directory = temporaryDirectory();
  const before = await openDiskTeam(mailing(true), { directory: `${directory.path}/before` });
  const first = await before.submit("clerk", null);
  await before.settle();
  const team = await before.afterCrash({}, mailing(false));
  const data = `${directory.path}/before-after-${before.clock.now()}`;
  await team.settle();
  const asked = String((await team.task(first)).runId);
  expect(await team.task(first)).toMatchObject({ waitingReason: "timer" });
  expect(await listed(data)).toContain(`longhaul approve ${asked} --retry`);

  await team.result(first);
  expect(await listed(data)).toBe("Nothing waits for a decision.\n");
  const { task, created } = await team.live.operations.fork(first, 2);
  await team.settle();

  const text = await listed(data);
  expect(created).toBe(true);
  expect(text).toContain("clerk called mail");
  expect(text).toContain('arguments: {"to":"ann"}');
  expect(text).toContain(`longhaul approve ${(await team.task(task.id)).runId} --retry`);
  await before.close();
  await team.close();
  directory.remove();
});

test("a person sees all of the arguments that a call is to be made with, also what no screen shows", async () => {
  const directory = temporaryDirectory();
  const clerk = defineAgent({
    name: "clerk",
    run: async (ctx) => await ctx.tools({ pay: { execute: async ({ to }: { readonly to: string }, { toolCallId }: { readonly toolCallId: string }) => `${to} ${toolCallId}` } }, { needsApproval: { pay: true } }).pay.execute({ to: "ann\u200B\u{E0061}@bank.example\u2028" }, { toolCallId: "c1" }),
  });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: `${directory.path}/team` });
  await team.submit("clerk", null);
  await team.settle();

  expect(await listed(`${directory.path}/team`)).toContain(String.raw`arguments: {"to":"ann\u{200b}\u{e0061}@bank.example\u{2028}"}`);
  await team.close();
  directory.remove();
});

test("a question whose call ended after all says what it came to", async () => {
  const directory = temporaryDirectory();
  const end = Promise.withResolvers<string>();
  const clerk = defineAgent({
    name: "clerk",
    run: async (ctx) => await ctx.tools({ mail: { execute: async ({ to }: { readonly to: string }, { toolCallId }: { readonly toolCallId: string }) => `${await end.promise} ${to} ${toolCallId}` } }).mail.execute({ to: "ann" }, { toolCallId: "call-1" }),
  });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [clerk] }), { directory: `${directory.path}/team` });
  const taskId = await team.submit("clerk", null);
  await team.settle();
  await team.advance(61_000);
  const runId = String((await team.task(taskId)).runId);
  expect(await listed(`${directory.path}/team`)).not.toContain("ended after all");

  end.resolve("mailed");
  await team.settle();

  expect(await listed(`${directory.path}/team`)).toContain('The call ended after all, too late to count: "mailed ann call-1".');
  await team.live.operations.approve(runId, "happened");
  expect(await team.result(taskId)).toMatchObject({ status: "done", output: "mailed ann call-1" });
  await team.close();
  directory.remove();
});
