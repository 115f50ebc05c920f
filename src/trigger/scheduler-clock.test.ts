import { afterEach, describe, expect, it } from "vitest";
import { cron, every, poll } from "../agent/trigger-definition.ts";
import type { Scheduler } from "./scheduler.ts";
import { agentWith, day, hour, minute, second, TriggerWorld } from "./trigger-world.testsuite.ts";

const schedulers: Scheduler[] = [];
afterEach(async () => {
  await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.close()));
});

async function open(world: TriggerWorld, ...agents: readonly ReturnType<typeof agentWith>[]): Promise<Scheduler> {
  const scheduler = await world.open(...agents);
  schedulers.push(scheduler);
  return scheduler;
}

/** Instants of the tasks in minutes since `fromMs`. */
function minutesOf(world: TriggerWorld, fromMs: number): readonly number[] {
  return world.tasks.map(({ atMs }) => (atMs - fromMs) / minute);
}

describe("over two weeks", () => {
  it("each firing of every interval and pattern leaves exactly one receipt, at its instant", async () => {
    const world = new TriggerWorld(Date.parse("2026-10-18T22:00:00Z"));
    const startMs = world.time.now();
    await open(world, agentWith("a", every("15m"), every("7h")), agentWith("b", cron("0 9 * * *", { timezone: "Europe/Berlin" }), cron("*/20 * * * *")), agentWith("c", cron("30 2 * * *", { timezone: "Europe/Berlin" })));
    await world.time.advance(14 * day);
    const counts = ["a/every:15m", "a/every:7h", "b/cron:0 9 * * * Europe/Berlin", "b/cron:*/20 * * * *", "c/cron:30 2 * * * Europe/Berlin"].map((id) => world.receipts(id).length);
    expect(counts).toEqual([14 * 96, 48, 14, 14 * 72, 14]);
    expect(world.receipts()).toHaveLength(counts.reduce((sum, count) => sum + count));
    expect(world.receipts().every(({ timestamp, data }) => Date.parse(timestamp) === data["dueAtMs"])).toBe(true);
    // Summer time ended on the 25th: 9 in the morning is an hour later by UTC.
    const mornings = world.receipts("b/cron:0 9 * * * Europe/Berlin").map(({ timestamp }) => new Date(timestamp).getUTCHours());
    expect(mornings).toEqual([...Array.from({ length: 6 }, () => 7), ...Array.from({ length: 8 }, () => 8)]);
    expect(world.tasks.at(-1)?.atMs).toBeLessThanOrEqual(startMs + 14 * day);
    expect(world.errors).toEqual([]);
  });
});

describe("after an outage", () => {
  // SCENARIOS S46, paperclip #3108: the missed-run policy is honoured exactly.
  it("one make-up is fired for all that was missed, and the grid goes on", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    const agent = agentWith("research", every("15m"));
    const first = await open(world, agent);
    await world.time.advance(16 * minute);
    await first.close();
    await world.time.advance(50 * minute);
    await open(world, agent);
    await world.time.advance(20 * minute);
    expect(minutesOf(world, startMs)).toEqual([15, 66, 75]);
    expect(world.receipts()[1]?.data).toEqual({ triggerId: "research/every:15m", dueAtMs: startMs + 30 * minute });
  });

  // SCENARIOS S12, S45: schedules silently stopped after a restart.
  it("a process that dies more often than the interval still fires", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    const agent = agentWith("research", every("1h"), cron("30 * * * *"));
    for (let start = 0; start < 12; start++) {
      const scheduler = await open(world, agent);
      await world.time.advance(10 * minute);
      await scheduler.close();
    }
    expect(minutesOf(world, startMs)).toEqual([30, 60, 90, 120]);
  });

  it("a trigger whose agent was edited keeps its state, one whose interval was edited begins again", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    const first = await open(world, agentWith("research", every("1h")), agentWith("sales", every("1h")));
    await world.time.advance(30 * minute);
    await first.close();
    await open(world, agentWith("sales", every("40m")), agentWith("research", every("60m", { input: () => ({}) })));
    await world.time.advance(45 * minute);
    expect(world.tasks.map(({ agent, atMs }) => [agent, (atMs - startMs) / minute])).toEqual([["research", 60], ["sales", 70]]);
  });

  // SCENARIOS S46: 45 missed jobs at once made everything time out.
  it("a thousand agents are made up for five at a time, each within its interval, and once", async () => {
    const world = new TriggerWorld();
    const agents = Array.from({ length: 1000 }, (_, index) => agentWith(`agent-${index}`, every("1h")));
    const first = await open(world, ...agents);
    await world.time.advance(minute);
    await first.close();
    await world.time.advance(5 * hour);
    const restartMs = world.time.now();
    await open(world, ...agents);
    await world.time.advance(58 * minute);
    const perInstant = new Map<number, number>();
    for (const { atMs } of world.tasks) perInstant.set(atMs, (perInstant.get(atMs) ?? 0) + 1);
    expect(Math.max(...perInstant.values())).toBe(5);
    expect(world.tasks).toHaveLength(1000);
    expect(Math.max(...perInstant.keys()) - restartMs).toBe(995 * second);
  });
});

describe("when the clock jumps", () => {
  // SCENARIOS S45: nothing may go silent because a clock was corrected.
  it("back an hour, intervals go on as if nothing had happened", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    await open(world, agentWith("a", every("15m")), agentWith("b", every("2h")));
    await world.time.advance(65 * minute);
    world.skewMs = -hour;
    await world.time.advance(85 * minute);
    expect(world.tasks.filter(({ agent }) => agent === "a").map(({ atMs }) => (atMs - startMs) / minute)).toEqual([15, 30, 45, 60, 75, 90, 105, 120, 135, 150]);
    expect(world.tasks.filter(({ agent }) => agent === "b").map(({ atMs }) => (atMs - startMs) / minute)).toEqual([120]);
    expect(new Set(world.tasks.map(({ key }) => key)).size).toBe(world.tasks.length);
  });

  it("back an hour, a daily pattern does not fire twice and one of every minute does not go silent", async () => {
    const world = new TriggerWorld(Date.parse("2026-07-01T08:55:30Z"));
    const startMs = world.time.now();
    await open(world, agentWith("daily", cron("0 9 * * *")), agentWith("often", cron("* * * * *")));
    await world.time.advance(30 * minute);
    world.skewMs = -hour;
    await world.time.advance(3 * hour);
    expect(world.results("daily/cron:0 9 * * *")).toEqual(["ran"]);
    const often = world.tasks.filter(({ agent }) => agent === "often").map(({ atMs }) => (atMs - startMs) / minute);
    expect(often).toEqual(Array.from({ length: 210 }, (_, index) => index + 0.5));
    await world.time.advance(day);
    expect(world.results("daily/cron:0 9 * * *")).toEqual(["ran", "ran"]);
  });

  it("back twice, a pattern still knows how long ago it fired", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    await open(world, agentWith("a", cron("*/10 * * * *")), agentWith("b", every("1m")));
    await world.time.advance(15 * minute);
    world.skewMs = -2 * hour;
    await world.time.advance(2 * minute);
    world.skewMs = -3 * hour;
    await world.time.advance(14 * minute);
    expect(world.tasks.filter(({ agent }) => agent === "a").map(({ atMs }) => (atMs - startMs) / minute)).toEqual([10, 20, 30]);
  });

  it("back an hour while the team is down, it fires within an interval", async () => {
    const world = new TriggerWorld();
    const agent = agentWith("research", every("15m"), cron("*/10 * * * *"));
    const first = await open(world, agent);
    await world.time.advance(65 * minute);
    await first.close();
    world.skewMs = -hour;
    const before = world.tasks.length;
    await open(world, agent);
    await world.time.advance(20 * minute);
    expect(world.tasks.slice(before).map(({ source }) => source).toSorted()).toEqual(["trigger research/cron:*/10 * * * *", "trigger research/every:15m"]);
  });

  it("forward, one make-up is fired", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    await open(world, agentWith("a", every("15m")), agentWith("b", cron("0 * * * *")));
    await world.time.advance(5 * minute);
    world.skewMs = 3 * hour;
    await world.time.advance(30 * minute);
    expect(world.tasks.map(({ agent, atMs }) => [agent, (atMs - startMs) / minute])).toEqual([["a", 15], ["b", 15], ["a", 30]]);
  });

  it("forward over the night, as after a sleep of the machine, a daily pattern is made up for within an hour", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    await open(world, agentWith("daily", cron("0 22 * * *", { timezone: "UTC" })));
    await world.time.advance(90 * minute);
    world.skewMs = 30 * hour;
    await world.time.advance(2 * hour);
    expect(world.tasks.map(({ atMs }) => (atMs - startMs) / hour)).toEqual([2]);
  });

  it("by what a time service corrects, nothing changes", async () => {
    const world = new TriggerWorld();
    await open(world, agentWith("daily", cron("0 9 * * *")), agentWith("items", poll("5m", { poll: async () => ({ items: [] }), key: String, input: () => undefined })));
    for (let hours = 0; hours < 72; hours++) {
      world.skewMs = hours % 2 === 0 ? 0 : 4 * second;
      await world.time.advance(hour);
    }
    expect(world.results("daily/cron:0 9 * * *")).toHaveLength(3);
    expect(world.results("items/poll:5m").length).toBeGreaterThanOrEqual(72 * 12 - 2);
  });
});
