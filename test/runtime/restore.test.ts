import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { defineAgent, defineTeam, defineTool, every, on, poll } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { seededRandom } from "../../src/base/random.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { runRestore } from "../../src/cli/command/restore.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { backUpData } from "../../src/runtime/data-backup.ts";
import { dataDirectory } from "../../src/runtime/data-directory.ts";
import { restoreData } from "../../src/runtime/data-restore.ts";
import type { Reconciliation } from "../../src/tool/tool.ts";
import { readCommand } from "../fixture/command.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let teams: DiskTeam[];
let paid: string[];
let reconciled: string[];
let reconcile: (() => Reconciliation) | null;
beforeEach(() => {
  directory = temporaryDirectory();
  teams = [];
  paid = [];
  reconciled = [];
  reconcile = null;
});
afterEach(async () => {
  for (const team of teams) await team.close();
  directory.remove();
});

const payTool = () =>
  defineTool({
    name: "pay", description: "Pay somebody", inputSchema: z.object({ what: z.string() }), effect: "once",
    execute: ({ what }) => {
      paid.push(what);
      return `paid ${what}`;
    },
    ...(reconcile === null ? {} : {
      reconcile: ({ what }: { readonly what: string }) => {
        reconciled.push(what);
        return Promise.resolve(reconcile?.() ?? { happened: "unknown" });
      },
    }),
  });

const clerk = (name = "clerk", changes: object = {}) => defineAgent({ name, model: "anthropic/test", instructions: "Pay.", tools: [payTool()], input: z.object({ what: z.string() }), prompt: ({ what }: { readonly what: string }) => what, ...changes });

/** Pays what it is told; each time that it is asked, its call has another id. */
function payingModel() {
  let calls = 0;
  return scriptedModel(({ messages }) => (messages.at(-1)?.role === "tool" ? "done" : { toolCalls: [{ toolName: "pay", input: { what: messages.flatMap((message) => (message.role === "user" ? [message.text] : []))[0] ?? "" }, callId: `c${++calls}` }] }));
}

async function open(team: ReturnType<typeof defineTeam>, options: { readonly directory?: string; readonly startAtMs?: number } = {}): Promise<DiskTeam> {
  const opened = await openDiskTeam(team, { directory: `${directory.path}/team`, model: payingModel(), ...options });
  teams.push(opened);
  await opened.settle();
  return opened;
}

/** What the disk held at this instant, as a backup. */
async function backUp(team: DiskTeam): Promise<string> {
  const copy = `${directory.path}/copy-${team.clock.now()}`;
  // Time stands still for the team, not for the thread that copies: so the disk is copied in one instant.
  cpSync(team.directory, copy, { recursive: true });
  const { path } = await backUpData({ from: join(copy, "longhaul.db"), to: `${directory.path}/backup-${team.clock.now()}.db`, clock: team.clock });
  return path;
}

/** The machine is lost; what the backup holds is put on another one whose clock is an hour behind, and a team starts there. */
async function restoreWhereClockIsBehind(before: DiskTeam, backup: string, definition: ReturnType<typeof defineTeam>, to = `${directory.path}/restored`) {
  const clock = new VirtualClock(before.clock.now() - 3_600_000);
  mkdirSync(to, { recursive: true });
  const restored = await restoreData({ directory: dataDirectory(to), backup, clock, random: seededRandom(7) });
  return { restored, after: await open(definition, { directory: to, startAtMs: clock.now() + 1_000 }) };
}

/** The machine is lost; what the backup holds is put on another one, and a team starts there so much later. */
async function restoreAt(before: DiskTeam, backup: string, definition: ReturnType<typeof defineTeam>, afterMs = 60_000): Promise<DiskTeam> {
  await before.clock.advance(afterMs - 1_000);
  const to = `${directory.path}/restored`;
  mkdirSync(to);
  await restoreData({ directory: dataDirectory(to), backup, clock: before.clock, random: seededRandom(7) });
  return open(definition, { directory: to, startAtMs: before.clock.now() + 1_000 });
}

const questions = async (team: DiskTeam) => (await team.records({ eventTypes: ["approval"] })).filter(({ result }) => result === "asked").map(({ reason }) => reason);

it("does not make a call of a model that is asked again, and does not believe a reconcile that looks for another key", async () => {
  reconcile = () => ({ happened: false });
  const definition = defineTeam({ name: "t", agents: [clerk()] });
  const before = await open(definition);
  const hold = await before.submit("clerk", { what: "rent" });
  const backup = await backUp(before);
  await before.result(hold);
  expect(paid).toEqual(["rent"]);

  const after = await restoreAt(before, backup, definition);
  await after.settle();

  expect(paid).toEqual(["rent"]);
  expect(reconciled).toEqual([]);
  expect(await after.task(hold)).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
  expect(await questions(after)).toEqual([expect.stringContaining("the data was restored from a backup")]);
  await after.live.operations.approve((await after.task(hold)).runId ?? "", "retry", null, { source: "cli" });
  expect(await after.result(hold)).toMatchObject({ status: "done" });
  expect(paid, "a person said that it did not happen").toEqual(["rent", "rent"]);
});

it("asks again, and makes no call, when the process dies in the middle of asking", async () => {
  const definition = defineTeam({ name: "t", agents: [clerk()] });
  const before = await open(definition);
  const hold = await before.submit("clerk", { what: "rent" });
  const backup = await backUp(before);
  await before.result(hold);
  reconcile = () => ({ happened: false });
  const crashing = defineTeam({ name: "t", agents: [clerk()] });
  await before.clock.advance(59_000);
  const to = `${directory.path}/restored`;
  mkdirSync(to);
  await restoreData({ directory: dataDirectory(to), backup, clock: before.clock, random: seededRandom(7) });
  const copies: string[] = [];
  const after = await openDiskTeam(crashing, {
    directory: to, model: payingModel(), startAtMs: before.clock.now() + 1_000,
    watchCommits: { before: () => undefined, after: () => { const copy = `${to}-${copies.length}`; cpSync(to, copy, { recursive: true }); copies.push(copy); } },
  });
  teams.push(after);
  await after.settle();
  expect(copies.length).toBeGreaterThan(3);

  // Before the first of these it had not begun, and after the last of them it waits.
  for (const [index, copy] of copies.entries()) {
    const again = await openDiskTeam(crashing, { directory: copy, model: payingModel(), startAtMs: after.clock.now() + (index + 1) * 60_000 });
    await again.settle();
    expect(await again.task(hold), `after commit ${index}`).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
    await again.close();
  }
  expect(paid).toEqual(["rent"]);
});

it("asks reconcile about a call that has the same key as the one before, and takes its word", async () => {
  reconcile = () => ({ happened: true, value: "found" });
  const definition = defineTeam({ name: "t", agents: [clerk()] });
  const disks: string[] = [];
  const before = await openDiskTeam(definition, {
    directory: `${directory.path}/team`, model: payingModel(),
    watchCommits: { before: () => undefined, after: () => { cpSync(`${directory.path}/team`, `${directory.path}/disk-${disks.length}`, { recursive: true }); disks.push(`${directory.path}/disk-${disks.length}`); } },
  });
  teams.push(before);
  const taskId = await before.submit("clerk", { what: "rent" });
  await before.result(taskId);
  // The model has asked for the call, and the call is not begun.
  const disk = disks.find((path) => {
    const db = SqliteDatabase.open(join(path, "longhaul.db"));
    const { asked, begun } = db.get("SELECT (SELECT count(*) FROM lh_journal WHERE kind = 'model') AS asked, (SELECT count(*) FROM lh_effect) AS begun") ?? {};
    db.close();
    return asked === 1 && begun === 0;
  });
  const { path: backup } = await backUpData({ from: join(disk ?? "", "longhaul.db"), to: `${directory.path}/backup.db`, clock: before.clock });

  const after = await restoreAt(before, backup, definition);

  expect(await after.result(taskId)).toMatchObject({ status: "done" });
  expect(paid).toEqual(["rent"]);
  expect(reconciled).toEqual(["rent"]);
  expect(await questions(after)).toEqual([]);
});

it("makes the calls of work that is new, and of a run that a person began anew", async () => {
  const definition = defineTeam({ name: "t", agents: [clerk()] });
  const before = await open(definition);
  const taskId = await before.submit("clerk", { what: "rent" });
  const backup = await backUp(before);
  const after = await restoreAt(before, backup, definition);
  await after.settle();
  expect(await after.task(taskId)).toMatchObject({ waitingReason: "unknown-effect" });
  paid = [];

  const fresh = await after.submit("clerk", { what: "new" });
  await after.live.operations.cancel(taskId, "again");
  await after.live.operations.restart(taskId);

  expect(await after.result(fresh)).toMatchObject({ status: "done" });
  expect(await after.result(taskId)).toMatchObject({ status: "done" });
  expect(paid.toSorted()).toEqual(["new", "rent"]);
});

it("does not make a call again, nor believe a reconcile that looks for another key, where the clock of the new machine is behind; what is new is done", async () => {
  reconcile = () => ({ happened: false });
  const definition = defineTeam({ name: "t", agents: [clerk()] });
  const before = await open(definition);
  const taskId = await before.submit("clerk", { what: "rent" });
  const backup = await backUp(before);
  await before.result(taskId);

  const { restored, after } = await restoreWhereClockIsBehind(before, backup, definition);
  await after.settle();
  const fresh = await after.submit("clerk", { what: "new" });

  expect(restored.clockBehindMs).toBeGreaterThan(3_500_000);
  const said = await readCommand((context) => runRestore(context, backup), { data: `${directory.path}/elsewhere`, clock: new VirtualClock(before.clock.now() - 3_600_000) });
  expect(said).toMatch(/The clock of this machine is .*behind.* restore again before the team starts/);
  expect(await after.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
  expect(await after.result(fresh)).toMatchObject({ status: "done" });
  expect(paid).toEqual(["rent", "new"]);
  expect(reconciled).toEqual([]);

  // Nor when the process died in the middle of asking.
  const again = await after.afterCrash();
  teams.push(again);
  await again.advance(60_000);
  expect(await again.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "unknown-effect" });
  expect(paid).toEqual(["rent", "new"]);
});

it("doubts the firings that were due until the newest commit of what was there, where the clock is behind that", async () => {
  const scheduled = clerk("scheduled", { triggers: [every("10m", { input: () => ({ what: "scheduled" }) })] });
  const definition = defineTeam({ name: "t", agents: [scheduled] });
  const before = await open(definition);
  await before.advance(60_000);
  const backup = await backUp(before);
  await before.advance(10 * 60_000);
  expect(paid).toEqual(["scheduled"]);
  await before.close();
  teams.splice(teams.indexOf(before), 1);

  const { after } = await restoreWhereClockIsBehind(before, backup, definition, before.directory);
  await after.advance(61 * 60_000);
  expect(paid).toEqual(["scheduled"]);
  const waiting = await after.live.tasks.list({ statuses: ["waiting"], limit: 100 });
  expect(waiting).toMatchObject([{ waitingReason: "unknown-effect" }]);
  for (const { runId } of waiting) await after.live.operations.approve(runId ?? "", "happened", null, { source: "cli" });

  await after.advance(10 * 60_000);
  expect(paid, "what is due after that is new").toEqual(["scheduled", "scheduled"]);
});

it("doubts what comes of a firing that was due before the restore, of an item that was seen then, and what such work calls and publishes; not the firings after", async () => {
  const items = ["one"];
  const sender = defineAgent({ name: "sender", triggers: [every("1h", { input: () => undefined })], run: async (ctx) => { await ctx.publish("due", { what: "published" }); await ctx.call(caller, { what: "called" }); } });
  const caller = clerk("caller");
  const listener = clerk("listener", { triggers: [on("due", { input: (event) => ({ what: String(event["what"]) }) })] });
  const scheduled = clerk("scheduled", { triggers: [every("1h", { input: () => ({ what: "scheduled" }) })] });
  const polled = clerk("polled", { triggers: [poll("10m", { poll: async () => ({ items }), key: (item: string) => item, input: (item: string) => ({ what: item }) })] });
  const definition = defineTeam({ name: "t", agents: [sender, caller, listener, scheduled, polled] });
  const before = await open(definition);
  await before.advance(11 * 60_000);
  const backup = await backUp(before);
  items.push("two");
  await before.advance(50 * 60_000);
  expect(paid.toSorted()).toEqual(["called", "one", "published", "scheduled", "two"]);

  const after = await restoreAt(before, backup, definition, 5 * 60_000);
  await after.advance(60_000);

  expect(paid.toSorted()).toEqual(["called", "one", "published", "scheduled", "two"]);
  const waiting = (await after.live.tasks.list({ statuses: ["waiting"], limit: 100 })).map(({ agent, waitingReason }) => `${agent} ${waitingReason}`);
  expect(waiting.toSorted()).toEqual(["caller unknown-effect", "listener unknown-effect", "polled unknown-effect", "scheduled unknown-effect", "sender child"]);
  for (const task of await after.live.tasks.list({ statuses: ["waiting"], limit: 100 })) if (task.waitingReason === "unknown-effect") await after.live.operations.approve(task.runId ?? "", "happened", null, { source: "cli" });
  paid = [];
  items.push("three");
  await after.advance(65 * 60_000);
  expect(paid.toSorted()).toEqual(["called", "published", "scheduled", "three"]);
});

it("tells people once that it was restored, and since when work is lost", async () => {
  const definition = defineTeam({ name: "t", agents: [clerk()] });
  const before = await open(definition);
  const backup = await backUp(before);
  const after = await restoreAt(before, backup, definition);
  await after.advance(60_000);
  const again = await after.afterCrash();
  teams.push(again);
  await again.advance(60_000);

  expect(after.printed.filter((line) => line.includes("was restored from a backup"))).toHaveLength(1);
  expect(again.printed.filter((line) => line.includes("was restored from a backup"))).toEqual([]);
  expect(await again.records({ eventTypes: ["control"] })).toMatchObject([{ result: "restored", data: { from: backup } }]);
});
