import { defineAgent, defineTeam, every } from "longhaul";
import { scriptedModel, testTeam, type TestTeam } from "longhaul/testing";
import { describe, expect, it } from "vitest";
import { sleep } from "../../src/base/clock.ts";
import { LonghaulError } from "../../src/base/error.ts";
import { createIds } from "../../src/base/id.ts";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { Breakers } from "../../src/policy/breakers.ts";

/*
 * Threads that this answers: openclaw/openclaw#35287 and #28847 (many sessions retry in phase), #87608 (a cool-down that outlives the outage),
 * #60419 (a cool-down of the wrong scope).
 */

const agentsMax = 200;
const minuteMs = 60_000;
const agents = Array.from({ length: agentsMax }, (_, index) => defineAgent({ name: `agent-${index}`, model: "anthropic/test", instructions: "Answer.", triggers: [every("1m")] }));

interface World {
  readonly team: TestTeam;
  /** From 0 to 1. */
  failures: number;
  /** Calls that reached the provider since they were last asked for, and how many of these it answered. */
  take(): { readonly calls: number; readonly answered: number };
}

/** Two hundred agents that call one provider once a minute each. */
async function open(random: Random): Promise<World> {
  let calls = 0;
  let answered = 0;
  const model = scriptedModel(() => {
    calls++;
    if (random.next() < world.failures) throw new LonghaulError("MODEL_TRANSIENT", "503", { retry: "backoff" });
    answered++;
    return "done";
  });
  const world: World = {
    team: await testTeam(defineTeam({ name: "t", agents }), { models: model }),
    failures: 0,
    take() {
      const taken = { calls, answered };
      calls = 0;
      answered = 0;
      return taken;
    },
  };
  return world;
}

async function minutes(world: World, count: number): Promise<readonly { readonly calls: number; readonly answered: number }[]> {
  const taken: { calls: number; answered: number }[] = [];
  for (let minute = 0; minute < count; minute++) {
    await world.team.advance(minuteMs);
    taken.push(world.take());
  }
  return taken;
}

it("a provider whose calls take longer than a probe may is let in again", { timeout: 60_000 }, async () => {
  const clock = new VirtualClock();
  const newId = createIds(clock, seededRandom("ids"));
  let isDown = true;
  const breakers = new Breakers({ clock, random: seededRandom("slow"), memory: { load: async () => null, swap: async () => true }, newId: () => newId("b") });
  let answered = 0;
  const call = async (): Promise<void> => {
    const pass = await breakers.enter("m");
    if (!isDown) await sleep(clock, 90_000);
    if (!isDown) answered++;
    await breakers.leave("m", pass, isDown ? "bad" : "good");
  };
  for (let calls = 0; calls < 10; calls++) await call();
  isDown = false;

  for (let second = 0; second < 600; second++) {
    void call().catch(() => undefined);
    await clock.advance(1_000);
  }

  expect(breakers.refusedForMs("m")).toBeNull();
  expect(answered).toBeGreaterThan(200);
});

describe("two hundred agents on one provider", { timeout: 120_000 }, () => {
  it("make at most one and a half calls for each that succeeds while three of ten fail", async () => {
    const world = await open(seededRandom("thirty"));
    world.failures = 0.3;

    const taken = await minutes(world, 10);

    const calls = taken.reduce((sum, minute) => sum + minute.calls, 0);
    const answered = taken.reduce((sum, minute) => sum + minute.answered, 0);
    expect(answered, "seven of ten, ten minutes long").toBeGreaterThan(agentsMax * 7);
    expect(calls / answered).toBeLessThanOrEqual(1.5);
    await world.team.close();
  });

  it("leave it alone while it is dead, lose nothing, and are back within half a minute when it works again", async () => {
    const world = await open(seededRandom("dead"));
    const steady = (await minutes(world, 3)).at(-1)?.calls ?? 0;
    expect(steady).toBeGreaterThan(agentsMax * 0.9);

    world.failures = 1;
    const dead = await minutes(world, 12);
    expect(Math.max(...dead.slice(1).map(({ calls }) => calls))).toBeLessThanOrEqual(steady * 0.05);
    expect(await world.team.tasks({ statuses: ["dead"] })).toEqual([]);
    const waiting = await world.team.tasks({ statuses: ["waiting"], limit: 1_000 });
    expect(waiting.filter(({ waitingReason }) => waitingReason === "breaker").length).toBeGreaterThan(agentsMax * 0.95);

    world.failures = 0;
    const [breaker] = (await world.team.records({ eventTypes: ["breaker"], result: "open", limit: 1 })).map(({ data }) => Number(data["openMs"]));
    await world.team.advance((breaker ?? 0) + 30_000);
    world.take();
    const [after] = await minutes(world, 1);

    expect(after?.answered).toBeGreaterThanOrEqual(steady * 0.95);
    expect(await world.team.records({ eventTypes: ["breaker"], result: "closed" })).toHaveLength(1);
    await world.team.close();
  });
});
