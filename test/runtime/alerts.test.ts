import { createHmac } from "node:crypto";
import { defineAgent, defineTeam, every, secret, webhook } from "longhaul";
import { testTeam } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";
import { openReceiver, type Receiver } from "../fixture/receiver.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let receiver: Receiver;
let teams: DiskTeam[];
beforeEach(async () => {
  directory = temporaryDirectory();
  receiver = await openReceiver((number) => (number <= 2 ? 503 : 200));
  teams = [];
});
afterEach(async () => {
  for (const team of teams) await team.close();
  await receiver.close();
  directory.remove();
});

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** Runs every ten minutes and says the same each time, until it finds something. */
function monotonousTeam(world: { finds: string }) {
  const agent = defineAgent({ name: "scout", run: async (ctx) => ctx.step("look", () => world.finds), expect: { progressWithin: "1h" }, triggers: [every("10m")] });
  return defineTeam({ name: "t", agents: [agent], notify: [webhook({ url: receiver.url, headers: { "x-room": "ops", authorization: secret("HOOK_TOKEN") }, signingSecret: secret("HOOK_KEY") })] });
}

async function open(definition: ReturnType<typeof monotonousTeam>, startAtMs?: number): Promise<DiskTeam> {
  const team = await openDiskTeam(definition, { directory: directory.path, environment: { HOOK_TOKEN: "Bearer hook-token", HOOK_KEY: "hook-key" }, ...(startAtMs === undefined ? {} : { startAtMs }) });
  teams.push(team);
  return team;
}

/** Lets virtual time go on in steps, until so many posts have come, a hundred at the most. Returns how much it was. */
async function untilReceived(team: DiskTeam, count: number, stepMs: number): Promise<number> {
  const fromMs = team.clock.now();
  for (let step = 0; receiver.posts.length < count && step < 100; step++) await receiver.pass(team, stepMs);
  return team.clock.now() - fromMs;
}

test("a hollow agent is told by webhook within a minute, through two failures of the receiver, once, and so is its end", async () => {
  const world = { finds: "nothing" };
  const definition = monotonousTeam(world);
  const team = await open(definition);
  await team.advance(10 * minute + second);
  expect(await team.live.health()).toMatchObject([{ agent: "scout", health: { state: "idle" } }]);
  await team.advance(hour - second);
  expect(receiver.posts).toEqual([]);

  const tookMs = await untilReceived(team, 3, second);

  expect(tookMs).toBeLessThan(minute);
  expect(await team.live.health()).toMatchObject([{ health: { state: "hollow" }, bad: true }]);
  expect(receiver.posts.map(({ status }) => status)).toEqual([503, 503, 200]);
  expect(new Set(receiver.posts.map(({ body }) => body)).size, "the same message each time").toBe(1);
  const { body = "", headers = {} } = receiver.posts[2] ?? {};
  expect(body).toContain("scout is hollow");
  expect(headers).toMatchObject({ "x-room": "ops", authorization: "Bearer hook-token", "x-longhaul-signature": `sha256=${createHmac("sha256", "hook-key").update(body).digest("hex")}` });
  expect((await team.records({ eventTypes: ["alert"] })).map(({ result }) => result)).toEqual(["retry", "retry", "delivered"]);
  expect((await team.records({ eventTypes: ["health"] })).at(-1)).toMatchObject({ agent_id: "scout", result: "hollow" });

  // After a restart nobody is told again.
  await team.close();
  teams.length = 0;
  const again = await open(definition, team.clock.now() + second);
  await untilReceived(again, 4, minute);
  expect(again.clock.now() - team.clock.now()).toBeGreaterThan(hour);
  expect(receiver.posts).toHaveLength(3);

  world.finds = "a new release";
  await untilReceived(again, 4, minute);
  expect(receiver.posts[3]?.body).toContain("scout is no longer hollow");
});

test("a team that is restarted more often than its interval cannot hide that it accomplishes nothing", async () => {
  const definition = monotonousTeam({ finds: "nothing" });
  let startAtMs: number | undefined;
  for (let restart = 0; restart < 5; restart++) {
    const team = await open(definition, startAtMs);
    await team.advance(20 * minute);
    startAtMs = team.clock.now() + minute;
    if (restart < 4) await team.close();
  }
  const [last] = teams.splice(0, 5).slice(-1);

  expect(await last?.live.health()).toMatchObject([{ health: { state: "hollow" } }]);
  await last?.close();
});

test("two tasks that end at the same time and both accomplish something make nobody hollow", async () => {
  let number = 0;
  const agent = defineAgent({ name: "busy", limits: { concurrency: 2 }, run: async (ctx) => ctx.step("work", () => ++number), expect: { progressWithin: "1h" } });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }));

  await Promise.all([team.submit(agent, undefined), team.submit(agent, undefined)]);
  await team.advance("3h");

  expect(await team.health()).toMatchObject([{ health: { state: "idle" }, bad: false }]);
  expect(team.notifications()).toEqual([]);
  await team.close();
});

test("the watchdog names a schedule that is missed when the scheduler is dead", async () => {
  const fired: number[] = [];
  const agent = defineAgent({ name: "nightly", run: async (ctx) => { fired.push(ctx.now()); return ctx.now(); }, triggers: [every("10m")] });
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path });
  teams.push(team);
  await team.advance(25 * minute);
  expect(fired).toHaveLength(2);

  // A drain closes the scheduler; the watchdog goes on until the end.
  await team.live.drain(0);
  await team.advance(20 * minute);

  expect(await team.live.health()).toMatchObject([{ health: { state: "missed" } }]);
  expect(team.printed.join("\n")).toContain("nightly is missed");
  expect(fired).toHaveLength(2);
});

test("a task that waits for three days costs no judgement", async () => {
  const agent = defineAgent({ name: "patient", run: async (ctx) => { await ctx.sleep("3d"); return null; } });
  const team = await testTeam(defineTeam({ name: "t", agents: [agent] }));
  const taskId = await team.submit(agent, undefined);
  await team.advance("1m");
  const health = await team.records({ eventTypes: ["health"] });

  await team.advance("2d");

  expect(await team.task(taskId)).toMatchObject({ status: "waiting", waitingReason: "timer" });
  expect(await team.records({ eventTypes: ["health"] })).toEqual(health);
  await team.close();
});
