import { describe, expect, it } from "vitest";
import { sleep } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { answered, insist, open, refusalOf } from "./limiter-fixture.testsuite.ts";

describe("an account of which nothing is known", () => {
  it("costs no timer and no queue, and is asked more at once with each answer", async () => {
    const { clock, enter } = open();
    const first = await Promise.all(Array.from({ length: 10 }, () => enter()));
    const eleventh = enter();
    expect(clock.timersSet, "one more waits").toBe(1);
    for (const pass of first) pass.leave(answered);
    await eleventh;

    const set = clock.timersSet;
    for (let call = 0; call < 2_000; call++) (await enter()).leave(answered);
    const many = await Promise.all(Array.from({ length: 250 }, () => enter()));

    expect(many).toHaveLength(250);
    expect(clock.timersSet).toBe(set);
  });

  it("is one again after an hour in which nobody asked for it", async () => {
    const world = open();
    const pass = await world.enter();
    pass.stated([{ name: "requests", max: 1, remaining: 0, resetMs: 60_000 }]);
    pass.leave(answered);
    expect((await refusalOf(world.enter())).details).toMatchObject({ limit: "requests", max: 1 });

    await world.clock.advance(3_600_001);

    await Promise.all(Array.from({ length: 10 }, () => world.enter()));
  });
});

describe("a queue", () => {
  it("is left at once by a call that is canceled, and moves up", async () => {
    const { clock, enter } = open({ concurrency: 1 });
    const first = await enter();
    const controller = new AbortController();
    const second = enter({ signal: controller.signal });
    const third = enter();
    controller.abort(new Error("canceled"));
    await expect(second).rejects.toThrow("canceled");

    first.leave(answered);

    (await third).leave(answered);
    expect(clock.pendingAtMs).toEqual([]);
    await expect(enter({ signal: controller.signal })).rejects.toThrow("canceled");
  });

  it("has one timer, however many wait", async () => {
    const { clock, enter } = open({ requestsPerMinute: 10 });
    for (let call = 0; call < 10; call++) (await enter()).leave(answered);
    await clock.advance(50_000);
    const waiting = Array.from({ length: 10 }, () => enter());
    const set = clock.timersSet;
    expect(clock.pendingAtMs).toHaveLength(1);

    await clock.advance(12_000);

    await Promise.all(waiting);
    expect(clock.timersSet - set).toBeLessThanOrEqual(1);
  });

  it("serves each agent in its turn, and each agent's calls in their order", async () => {
    const { enter } = open({ concurrency: 1 });
    const first = await enter({ agent: "x" });
    const order: string[] = [];
    const wait = async (agent: string, name: string): Promise<void> => {
      const pass = await enter({ agent });
      order.push(name);
      pass.leave(answered);
    };
    const all = [wait("a", "a1"), wait("a", "a2"), wait("a", "a3"), wait("a", "a4"), wait("b", "b1"), wait("c", "c1"), wait("b", "b2")];

    first.leave(answered);
    await Promise.all(all);

    expect(order).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
  });

  it("serves what is urgent first, and the rest within bounds however much of it comes", async () => {
    const world = open({ requestsPerMinute: 60 });
    const serve = async (caller: string, agent: string, priority: number): Promise<number> => {
      const { pass, waitedMs } = await insist(world, { caller, agent, priority });
      pass.leave(answered);
      return waitedMs;
    };
    for (let call = 0; call < 60; call++) await serve(`before-${call}`, "high", 9);
    const lows = Array.from({ length: 30 }, (_, index) => serve(`low-${index}`, "low", 0));
    let highs = 0;
    // Twice as much as there is, for twenty minutes.
    for (let second = 0; second < 1_200; second++) {
      for (let call = 0; call < 2; call++) void serve(`high-${second}-${call}`, "high", 9).then(() => highs++);
      await world.clock.advance(1_000);
    }

    const waited = await Promise.all(lows.map((low) => Promise.race([low, Promise.resolve(Number.POSITIVE_INFINITY)])));
    // Overdue after two minutes; then a quarter of sixty a minute is theirs: thirty take two minutes more.
    expect(Math.max(...waited)).toBeLessThanOrEqual(6 * 60_000);
    expect(highs).toBeGreaterThan(1_000);
  });
});

interface Story {
  readonly calls: number;
  readonly refused: number;
  readonly tookMs: number;
}

/** So many callers that ask at once a provider of sixty calls a minute that states no limits. */
async function contendFor(callers: number, stated: boolean): Promise<Story> {
  const world = open();
  const { clock } = world;
  const random = seededRandom(`contend ${callers}`);
  const startMs = clock.now();
  let calls = 0;
  let refused = 0;
  let minute = -1;
  let taken = 0;
  let left = callers;
  const call = async (caller: string): Promise<void> => {
    for (;;) {
      const { pass } = await insist(world, { caller, agent: caller });
      calls++;
      const at = Math.floor(clock.now() / 60_000);
      taken = at === minute ? taken + 1 : 1;
      minute = at;
      if (taken <= 60) {
        await sleep(clock, 500 + 1_000 * random.next());
        pass.leave(answered);
        left--;
        return;
      }
      refused++;
      await sleep(clock, 20);
      const afterMs = stated ? 60_000 - (clock.now() % 60_000) : null;
      pass.leave({ kind: "throttled", afterMs });
      await sleep(clock, afterMs ?? 1_000 * random.next());
    }
  };
  for (let caller = 0; caller < callers; caller++) void call(`caller-${caller}`);
  while (left > 0 && clock.now() - startMs < 3_600_000) await clock.advance(1_000);
  return { calls, refused, tookMs: clock.now() - startMs };
}

describe("a provider that refuses and states no limits", () => {
  it.each([100, 200, 400])("is asked hardly more often than there are callers, %d of them, when it says how long to wait", async (callers) => {
    const { calls, tookMs } = await contendFor(callers, true);

    expect(calls).toBeLessThanOrEqual(callers * 1.05);
    expect(tookMs).toBeLessThanOrEqual((callers / 60) * 61_000 + 90_000);
  });

  it.each([100, 200, 400])("is asked hardly more often than there are callers, %d of them, when it does not say", async (callers) => {
    const { calls, tookMs } = await contendFor(callers, false);

    expect(calls).toBeLessThanOrEqual(callers * 1.05);
    expect(tookMs).toBeLessThanOrEqual((callers / 30) * 61_000 + 120_000);
  });
});

it("a refusal of an account that took hardly anything says no more than how long to wait, whenever all of it is there again", async () => {
  const world = open();
  (await world.enter()).leave(answered);
  const pass = await world.enter();
  pass.stated([{ name: "requests", max: 4_000, remaining: 0, resetMs: 60_000 }]);
  pass.leave({ kind: "throttled", afterMs: 50 });

  const waiting = Array.from({ length: 100 }, () => world.enter());
  await world.clock.advance(49);
  expect(await Promise.race([waiting[0], Promise.resolve("waits")])).toBe("waits");
  await world.clock.advance(1);

  expect(await Promise.all(waiting)).toHaveLength(100);
});

it("a limit that was inferred is found again when it was raised, at the price of a refusal now and then", async () => {
  const world = open();
  const { clock } = world;
  let hidden = 30;
  let minute = -1;
  let taken = 0;
  let refused = 0;
  const answeredIn = new Map<number, number>();
  const ask = async (agent: string): Promise<void> => {
    for (;;) {
      const { pass } = await insist(world, { caller: agent, agent });
      const at = Math.floor(clock.now() / 60_000);
      taken = at === minute ? taken + 1 : 1;
      minute = at;
      await sleep(clock, 200);
      if (taken > hidden) refused++;
      else answeredIn.set(at, (answeredIn.get(at) ?? 0) + 1);
      pass.leave(taken > hidden ? { kind: "throttled", afterMs: 60_000 - (clock.now() % 60_000) } : answered);
    }
  };
  for (let index = 0; index < 20; index++) void ask(`a${index}`);
  for (let minutes = 0; minutes < 30; minutes++) await clock.advance(60_000);
  const before = [...answeredIn.values()].slice(10);
  expect(Math.min(...before)).toBeGreaterThanOrEqual(20);
  expect(refused).toBeLessThanOrEqual([...answeredIn.values()].reduce((sum, count) => sum + count, 0) * 0.05);

  hidden = 120;
  for (let minutes = 0; minutes < 30; minutes++) await clock.advance(60_000);

  expect(Math.max(...[...answeredIn.values()].slice(-5))).toBeGreaterThanOrEqual(100);
});

describe("places", () => {
  it("of which none is given back are waited for in the queue by nobody, and less often the longer that lasts", async () => {
    const world = open({ concurrency: 2 });
    await world.enter();
    await world.enter();
    const waits: number[] = [];
    for (let time = 0; time < 5; time++) {
      const sinceMs = world.clock.now();
      const refusing = refusalOf(world.enter({ caller: "again" }));
      await world.clock.advance(20_000);
      const { details } = await refusing;
      expect(details).toMatchObject({ limit: "concurrency", max: 2 });
      waits.push(Number(details["afterMs"]));
      await world.clock.advance(Math.max(0, Number(details["afterMs"]) - (world.clock.now() - sinceMs)));
    }

    expect(waits[0]).toBe(15_000);
    expect(waits.every((waitMs, index) => index === 0 || waitMs >= (waits[index - 1] ?? 0))).toBe(true);
    expect(waits.at(-1)).toBeGreaterThan(45_000);
  });

  it("that are given back slowly are promised at that pace", async () => {
    const world = open({ concurrency: 1 });
    for (let call = 0; call < 20; call++) {
      const { pass } = await insist(world, { caller: "one" });
      await world.clock.advance(60_000);
      pass.leave(answered);
    }
    await world.enter();
    const refusing = Array.from({ length: 4 }, () => refusalOf(world.enter()));
    await world.clock.advance(20_000);

    const waits = (await Promise.all(refusing)).map(({ details }) => Math.round(Number(details["afterMs"]) / 60_000));
    expect(waits).toEqual([1, 2, 2, 2]);
  });
});
