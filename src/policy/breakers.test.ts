import { describe, expect, it } from "vitest";
import { isLonghaulError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { seededRandom } from "../base/random.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { breakerDefaults, type CallEnd, isolate, closedBreaker, type Pass } from "./breaker.ts";
import { breakerToJson } from "./breaker-json.ts";
import { type BreakerChange, type BreakerMemory, Breakers } from "./breakers.ts";

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

function worker(memory: BreakerMemory, clock: VirtualClock, name = "w", onChange?: (change: BreakerChange) => void): Breakers {
  let ids = 0;
  return new Breakers({ clock, memory, random: seededRandom(name), newId: () => `${name}${++ids}`, ...(onChange === undefined ? {} : { onChange }) });
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

  it("tell of each change, and for how long one lets nothing through", async () => {
    const clock = new VirtualClock();
    const changes: BreakerChange[] = [];
    const breakers = worker(sharedMemory().memory, clock, "w", (change) => changes.push(change));
    await open(breakers);
    const openMs = await refusedMs(breakers);
    expect(breakers.refusedForMs("m")).toBe(openMs);
    await clock.advance(openMs ?? 0);

    for (let probe = 0; probe < 4; probe++) await call(breakers, "good");

    expect(changes).toEqual([
      { dependency: "m", from: "closed", to: "open", openMs },
      { dependency: "m", from: "open", to: "half-open", openMs: null },
      { dependency: "m", from: "half-open", to: "closed", openMs: null },
    ]);
    expect(breakers.refusedForMs("m")).toBeNull();
  });

  it("write nothing for those whom they refuse", async () => {
    const { memory, asked } = sharedMemory();
    const clock = new VirtualClock();
    const breakers = worker(memory, clock);
    await open(breakers);
    await clock.advance(36_000);
    await breakers.enter("m");
    const before = asked.swaps;

    expect((await passesOf([breakers], 1_000)).length).toBe(0);

    expect(asked.swaps).toBe(before);
  });

  it("fail no call when their memory fails, and go by what this process knows", async () => {
    const clock = new VirtualClock();
    const fails = () => Promise.reject(new Error("disk full"));
    const breakers = worker({ load: fails, swap: fails }, clock);

    await open(breakers);

    expect(await refusedMs(breakers)).toBeGreaterThan(20_000);
    await clock.advance(36_000);
    for (let probe = 0; probe < 4; probe++) await call(breakers, "good");
    expect(await passesOf([breakers], 100)).toHaveLength(100);
  });

  it("do not spin on a text that somebody changed by hand, and take what cannot be read for closed", async () => {
    const clock = new VirtualClock();
    let swaps = 0;
    const breakers = worker({ load: async () => ({ state: "open" }), swap: async () => { swaps++; return false; } }, clock);

    await open(breakers);

    expect(swaps).toBe(10);
    expect(await refusedMs(breakers)).toBeGreaterThan(20_000);
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
    await clock.advance(5_000);
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

  it("let a call through again that asks anew after a crash, and take its end from whichever process learns it", async () => {
    const { memory } = sharedMemory();
    const clock = new VirtualClock();
    const [a, b] = [worker(memory, clock, "a"), worker(memory, clock, "b")];
    for (let calls = 0; calls < 10; calls++) await a.note("agent m", `t${calls}`, "bad");
    await clock.advance(80_000);
    await a.enter("agent m", "probe");

    await expect(a.enter("agent m", "other")).rejects.toMatchObject({ code: "BREAKER_OPEN", details: { state: "half-open" } });
    await expect(b.enter("agent m", "other")).rejects.toMatchObject({ code: "BREAKER_OPEN" });
    await expect(worker(memory, clock, "after a crash").enter("agent m", "probe")).resolves.toMatchObject({ id: "probe" });
    expect([await b.isProbe("agent m", "probe"), await b.isProbe("agent m", "other")]).toEqual([true, false]);

    // Of those that were let through before it opened, none decides.
    await b.note("agent m", "t3", "bad");
    for (const id of ["probe", "one", "two", "three"]) {
      await b.enter("agent m", id);
      await b.note("agent m", id, "good");
    }
    await clock.advance(5_000);
    await expect(a.enter("agent m", "any")).resolves.toMatchObject({ id: "any" });
    await expect(a.enter("agent m", "any other")).resolves.toMatchObject({ id: "any other" });
  });

  it("of different dependencies know nothing of each other", async () => {
    const breakers = worker(sharedMemory().memory, new VirtualClock());
    await open(breakers);

    await expect(breakers.enter("other")).resolves.toMatchObject({ generation: 0 });
  });
});
