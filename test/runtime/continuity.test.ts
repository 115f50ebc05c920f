import { join } from "node:path";
import { defineAgent, defineTeam } from "longhaul";
import { testTeam } from "longhaul/testing";
import { expect, it } from "vitest";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

it("takes a step that may take two hours for one that works, and ends it when they are over", async () => {
  const slow = defineAgent({ name: "slow", limits: { activeTime: "6h" }, run: (ctx) => ctx.step("crunch", () => new Promise<never>(() => undefined), { timeout: "2h", attempts: 1 }) });
  const team = await testTeam(defineTeam({ name: "t", agents: [slow] }));
  const taskId = await team.submit(slow, undefined);

  await team.advance("90m");

  expect(await team.health()).toMatchObject([{ agent: "slow", bad: false, health: { state: "working" } }]);
  const beats = await team.records({ eventTypes: ["run"] });
  expect(beats).toHaveLength(18);
  expect(beats[17]).toMatchObject({ agent_id: "slow", task_id: taskId, result: "busy", reason: 'ctx.step("crunch") goes on for 1 h 30 min' });
  expect(await team.result(taskId)).toMatchObject({ status: "dead", failure: { code: "STEP_TIMEOUT" } });
  await team.close();
});

it("takes a long step that a crash interrupted and that is made again for one that works", async () => {
  const directory = temporaryDirectory();
  const slow = defineAgent({ name: "slow", limits: { activeTime: "6h" }, run: (ctx) => ctx.step("crunch", () => new Promise<never>(() => undefined), { timeout: "2h", attempts: 1 }) });
  const before = await openDiskTeam(defineTeam({ name: "t", agents: [slow] }), { directory: join(directory.path, "data") });
  await before.submit("slow", null);
  await before.advance(40 * 60_000);
  const after = await before.afterCrash();

  await after.advance(30 * 60_000);

  expect((await after.records({ eventTypes: ["run"] })).map(({ attempt }) => attempt)).toEqual([...Array.from({ length: 8 }, () => 1), ...Array.from({ length: 6 }, () => 2)]);
  expect(await after.live.health()).toMatchObject([{ agent: "slow", bad: false, health: { state: "working" } }]);
  await before.close();
  await after.close();
  directory.remove();
});

it("keeps the record of a step that new code takes beside an old one, and calls a task of its own", async () => {
  const directory = temporaryDirectory();
  const other = defineAgent({ name: "other", run: async () => "other" });
  const known = defineAgent({ name: "known", run: async () => "known" });
  const team = (isNew: boolean) => defineTeam({
    name: "t",
    agents: [other, known, defineAgent({ name: "a", run: async (ctx) => {
      const called = Promise.all([...(isNew ? [ctx.call(other, undefined)] : []), ctx.call(known, undefined)]);
      const told = Promise.all([...(isNew ? [ctx.send(other, undefined)] : []), ctx.note("first")]);
      await Promise.all([called, told, ctx.step("hangs", () => (isNew ? null : new Promise(() => undefined)))]);
      return (await called).map(({ output }) => output);
    } })],
  });
  const before = await openDiskTeam(team(false), { directory: join(directory.path, "data") });
  const taskId = await before.submit("a", null);
  await before.settle();
  const after = await before.afterCrash({}, team(true));

  expect(await after.result(taskId)).toMatchObject({ status: "done", output: ["other", "known"] });

  expect((await after.records({ taskId })).filter(({ event_type }) => event_type === "handoff" || event_type === "decision").map(({ result, reason }) => result ?? reason)).toEqual(["first", "sent"]);
  await before.close();
  await after.close();
  directory.remove();
});

const patient = defineAgent({ name: "patient", run: async (ctx) => { await ctx.waitFor("go"); return "old"; } });
const edited = defineAgent({ name: "patient", run: async (ctx) => { await ctx.waitFor("go"); return "new"; } });
const other = defineAgent({ name: "other", run: async () => null });

it("goes on with the new version of an agent that was edited while its run waited, and records that", async () => {
  const directory = temporaryDirectory();
  const before = await openDiskTeam(defineTeam({ name: "t", agents: [patient] }), { directory: join(directory.path, "data") });
  const taskId = await before.submit("patient", null);
  await before.settle();
  const after = await before.afterCrash({}, defineTeam({ name: "t", agents: [edited] }));

  await after.live.operations.signal((await after.task(taskId)).runId ?? "", "go", null);

  expect(await after.result(taskId)).toMatchObject({ status: "done", output: "new" });
  const moves = await after.records({ taskId, eventTypes: ["task"] });
  expect(moves.filter((record) => record.reason?.startsWith("goes on with another version of patient; so far it ran with ") === true)).toHaveLength(1);
  await before.close();
  await after.close();
  directory.remove();
});

it("tells people of tasks whose agent the team does not have any more", async () => {
  const directory = temporaryDirectory();
  const before = await openDiskTeam(defineTeam({ name: "t", agents: [patient] }), { directory: join(directory.path, "data") });
  await before.submit("patient", null);
  await before.settle();

  const after = await before.afterCrash({}, defineTeam({ name: "t", agents: [other] }));
  await after.settle();

  expect(after.printed.join("\n")).toContain("1 open task waits for patient, which t does not have");
  expect(await after.records({ eventTypes: ["error"] })).toMatchObject([{ agent_id: "patient", result: "unknown-agent" }]);
  await before.close();
  await after.close();
  directory.remove();
});
