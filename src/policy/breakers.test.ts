import { describe, expect, it } from "vitest";
import { isLonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { seededRandom } from "../base/random.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { breakerDefaults, type CallEnd, isolate, closedBreaker, type Pass } from "./breaker.ts";
import { breakerToJson } from "./breaker-json.ts";
import { type BreakerMemory, Breakers } from "./breakers.ts";

const hourMs = 3_600_000;

/** What several processes share, with a count of what was asked. */
function sharedMemory() {
  const held = new Map<string, string>();
  const asked = { loads: 0, swaps: 0 };
  const memory: BreakerMemory = {
    async load(name) {
      asked.loads++;
      return JSON.parse(held.get(name) ?? "null") as Json;
    },
    async swap(name, before, after) {
      asked.swaps++;
      if ((held.get(name) ?? "null") !== JSON.stringify(before)) return false;
      held.set(name, JSON.stringify(after));
      return true;
    },
  };
  return { memory, asked, held };
}

function worker(memory: BreakerMemory, clock: VirtualClock, name = "w"): Breakers {
  let ids = 0;
  return new Breakers({ clock, memory, random: seededRandom(name), newId: () => `${name}${++ids}` });
}

async function call(breakers: Breakers, end: CallEnd): Promise<void> {
  await breakers.leave("m", await breakers.enter("m"), end);
}

async function open(breakers: Breakers): Promise<void> {
  for (let calls = 0; calls < breakerDefaults.callsMin; calls++) await call(breakers, "bad");
}

/** For how long the breaker refuses, null when it lets a call through. */
async function refusedMs(breakers: Breakers): Promise<number | null> {
  try {
    await breakers.enter("m");
    return null;
  } catch (error) {
    if (!isLonghaulError(error) || error.code !== "BREAKER_OPEN" || typeof error.retry === "string") throw error;
    return error.retry.afterMs;
  }
}

async function passesOf(workers: readonly Breakers[], callers: number): Promise<readonly (readonly [Breakers, Pass])[]> {
  const asked = workers.flatMap((breakers) => Array.from({ length: callers }, async () => [breakers, await breakers.enter("m")] as const));
  return (await Promise.allSettled(asked)).flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
}

describe("breakers", () => {
  it("ask the memory at most every five seconds while all is well, and write nothing", async () => {
    const { memory, asked } = sharedMemory();
    const clock = new VirtualClock();
    const breakers = worker(memory, clock);
    for (let second = 0; second < 60; second++) {
      for (let calls = 0; calls < 20; calls++) await call(breakers, "good");
      await clock.advance(1_000);
    }

    expect(asked).toEqual({ loads: 12, swaps: 0 });
  });

  it("say when one opens and closes, and for how long it lets nothing through", async () => {
    const clock = new VirtualClock();
    const breakers = worker(sharedMemory().memory, clock);
    const passes = await Promise.all(Array.from({ length: 10 }, () => breakers.enter("m")));
    const changes = await Promise.all(passes.map((pass) => breakers.leave("m", pass, "bad")));
    expect(changes.filter((change) => change !== null)).toEqual([{ from: "closed", to: "open", openMs: await refusedMs(breakers) }]);
    await clock.advance((await refusedMs(breakers)) ?? 0);

    const told: unknown[] = [];
    for (let probe = 0; probe < 4; probe++) told.push(await breakers.leave("m", await breakers.enter("m"), "good"));

    expect(told).toEqual([null, null, null, { from: "half-open", to: "closed", openMs: null }]);
  });

  it("let as many probe of a thousand callers in three processes as of one", async () => {
    const { memory } = sharedMemory();
    const clock = new VirtualClock();
    const workers = ["a", "b", "c"].map((name) => worker(memory, clock, name));
    await open(workers[0] as Breakers);
    await clock.advance(36_000);

    const first = await passesOf(workers, 334);
    for (const [breakers, pass] of first) await breakers.leave("m", pass, "good");
    const second = await passesOf(workers, 334);
    for (const [breakers, pass] of second) await breakers.leave("m", pass, "good");

    expect([first.length, second.length]).toEqual([1, 3]);
    expect(await passesOf(workers, 334)).toHaveLength(1_002);
  });

  it("hear within five seconds that another process opened one", async () => {
    const { memory } = sharedMemory();
    const clock = new VirtualClock();
    const [a, b] = [worker(memory, clock, "a"), worker(memory, clock, "b")];
    await call(b, "good");
    await open(a);
    await clock.advance(5_000);

    expect(await refusedMs(b)).toBeGreaterThan(10_000);
  });

  it("stay open over a restart, and no longer than they may though the wall clock is set", async () => {
    const { memory, held } = sharedMemory();
    const clock = new VirtualClock();
    await open(worker(memory, clock));
    expect(await refusedMs(worker(memory, clock, "next"))).toBeGreaterThan(20_000);

    const now = clock.now.bind(clock);
    clock.now = () => now() - 8_760 * hourMs;
    expect(await refusedMs(worker(memory, clock, "in the past"))).toBe(breakerDefaults.openMaxMs);
    clock.now = () => now() + 8_760 * hourMs;
    expect(await refusedMs(worker(memory, clock, "in the future"))).toBeNull();
    expect([...held.keys()]).toEqual(["m"]);
  });

  it("keep one closed to all that a person isolated, and say why", async () => {
    const { memory } = sharedMemory();
    const clock = new VirtualClock();
    await memory.swap("m", null, breakerToJson(isolate(closedBreaker(), "the provider asked us to"), clock));

    await expect(worker(memory, clock).enter("m")).rejects.toMatchObject({ code: "BREAKER_OPEN", message: "m is not called: a person keeps it so: the provider asked us to." });
  });

  it("of different dependencies know nothing of each other", async () => {
    const breakers = worker(sharedMemory().memory, new VirtualClock());
    await open(breakers);

    await expect(breakers.enter("other")).resolves.toMatchObject({ generation: 0 });
  });
});
