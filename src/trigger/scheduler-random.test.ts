import { describe, expect, it } from "vitest";
import { integerBetween, type Random, seededRandom } from "../base/random.ts";
import { cron, every } from "../agent/trigger-definition.ts";
import type { Scheduler } from "./scheduler.ts";
import { agentWith, minute, second, TriggerWorld } from "./trigger-world.testsuite.ts";

const agents = [agentWith("interval", every("15m")), agentWith("pattern", cron("*/10 * * * *")), agentWith("start", every("30m", { atStart: true }))];
/**
 * Three periods of an interval, four of a pattern. A jump costs one period at most; one while the team was down costs a pattern two, because nobody
 * knows by how much the clock went back, so an instant that may be a repetition is left out; and two may follow each other.
 */
const silenceMaxMs = { "interval/every:15m": 45 * minute, "pattern/cron:*/10 * * * *": 40 * minute, "start/every:30m": 90 * minute } as const;

/** One thing that happens to a team: time, a crash or restart, a jump of the clock, a task that stays open, a database that is busy. */
async function disturb(world: TriggerWorld, scheduler: Scheduler, random: Random): Promise<Scheduler> {
  const kind = integerBetween(random, 1, 10);
  if (kind === 1) world.skewMs -= integerBetween(random, 1, 120) * minute;
  else if (kind === 2) world.skewMs += integerBetween(random, 1, 120) * minute;
  else if (kind === 3 || kind === 4) {
    await scheduler.close();
    if (kind === 4) world.skewMs += integerBetween(random, -30, 30) * minute;
    return world.open(...agents);
  } else if (kind === 5) {
    const loses = random.next() < 0.5;
    let isPending = true;
    const fail = (): void => {
      if (isPending) {
        isPending = false;
        throw new Error("disk is busy");
      }
    };
    if (loses) world.afterStart = fail;
    else world.beforeStart = fail;
  } else if (kind === 6) world.openTasks.add(world.tasks.at(-1)?.id ?? "none");
  else world.openTasks.clear();
  return scheduler;
}

async function play(seed: number): Promise<TriggerWorld> {
  const random = seededRandom(seed);
  const world = new TriggerWorld();
  let scheduler = await world.open(...agents);
  for (let round = 0; round < 60; round++) {
    await world.time.advance(integerBetween(random, 1, 25 * 60) * second);
    expect(world.time.pendingAtMs.length, `SEED=${seed} timers`).toBeLessThanOrEqual(1);
    scheduler = await disturb(world, scheduler, random);
  }
  await scheduler.close();
  return world;
}

describe("the scheduler under random disturbances", () => {
  it.each(Array.from({ length: 25 }, (_, seed) => seed))("never fires twice for one reason and never goes silent (seed %i)", async (seed) => {
    const world = await play(seed);
    const keys = world.tasks.map(({ key }) => key);
    expect(new Set(keys).size, `SEED=${seed} tasks`).toBe(keys.length);
    for (const [triggerId, maxMs] of Object.entries(silenceMaxMs)) {
      const silence = longestSilenceMs(world, triggerId);
      expect(silence, `SEED=${seed} silence of ${triggerId} in minutes: ${silence / minute}`).toBeLessThanOrEqual(maxMs + minute);
    }
    for (const { key, id } of world.tasks) {
      const receipts = world.receipts().filter(({ result, task_id }) => result === "ran" && task_id === id);
      expect(receipts.length, `SEED=${seed} receipts of ${key}`).toBe(1);
    }
  });
});

/** By the time that really passed: the instants of receipts as the world saw them. */
function longestSilenceMs(world: TriggerWorld, triggerId: string): number {
  const instants = [world.startedAtMs, ...world.receiptInstants(triggerId), world.time.now()];
  return instants.slice(1).reduce((longest, atMs, index) => Math.max(longest, atMs - (instants[index] ?? atMs)), 0);
}
