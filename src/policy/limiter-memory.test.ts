import { describe, expect, it } from "vitest";
import { answered, insist, open, refusalOf } from "./limiter-fixture.testsuite.ts";

const minuteMs = 60_000;
const hourMs = 3_600_000;

describe("a stated wait", () => {
  it("is kept to its end, though nobody asks for the account in the meantime", async () => {
    const { clock, enter } = open();
    (await enter()).leave({ kind: "throttled", afterMs: 4 * hourMs });

    await clock.advance(4 * hourMs - minuteMs);
    expect((await refusalOf(enter())).retry).toMatchObject({ afterMs: minuteMs });

    await clock.advance(minuteMs);
    (await enter()).leave(answered);
  });

  it("of one model is kept while another one of the account is used", async () => {
    const { clock, enter } = open();
    (await enter()).leave({ kind: "throttled", afterMs: 4 * hourMs });

    for (let minute = 0; minute < 65; minute++) {
      await clock.advance(minuteMs);
      (await enter({ model: "p/other" })).leave(answered);
    }

    expect((await refusalOf(enter())).details).toMatchObject({ dependency: "p/m", limit: "retry-after" });
  });
});

it.each(["failed", "rejected"] as const)("calls that end as %s use no tokens; only those that were answered let more be under way", async (kind) => {
  const { clock, enter } = open({ tokensPerMinute: 1_000 });
  for (let call = 0; call < 400; call++) (await enter()).leave({ kind });
  let through = 0;
  for (let call = 0; call < 50; call++) void enter().then(() => through++, () => undefined);

  await clock.advance(0);

  expect(through).toBe(kind === "failed" ? 10 : 50);
});

it("a call that was refused for no limit is one of so many requests a minute", async () => {
  const { enter } = open({ requestsPerMinute: 1 });
  (await enter()).leave({ kind: "failed" });

  expect((await refusalOf(enter())).details).toMatchObject({ limit: "requests", max: 1 });
});

describe("places of those that wait outside", () => {
  it("are kept for no task that has ended", async () => {
    const world = open({ requestsPerMinute: 60 });
    for (let call = 0; call < 60; call++) (await world.enter()).leave(answered);
    for (let task = 0; task < 600; task++) await refusalOf(world.enter({ task: `t-${task}`, caller: `run-${task}` }));

    for (let task = 0; task < 599; task++) world.limiter.forget(`t-${task}`);

    const { details } = await refusalOf(world.enter());
    expect(details["afterMs"], "behind the one that is left").toBeLessThanOrEqual(61_000);
  });

  it("let those go that wait behind them when their task ends", async () => {
    const world = open({ requestsPerMinute: 2 });
    (await world.enter()).leave(answered);
    await world.clock.advance(10_000);
    (await world.enter()).leave(answered);
    await refusalOf(world.enter({ task: "gone" }));
    await world.clock.advance(51_500);
    const next = world.enter({ task: "next" });

    world.limiter.forget("gone");

    (await next).leave(answered);
    expect(world.clock.pendingAtMs).toEqual([]);
  });

  it("leave no timer when nobody waits here", async () => {
    const { clock, enter } = open({ requestsPerMinute: 1 });
    (await enter()).leave(answered);

    await refusalOf(enter());

    expect(clock.pendingAtMs).toEqual([]);
  });
});

describe("one that waits is woken", () => {
  it("when nobody came back in whose place it may go", async () => {
    const world = open({ requestsPerMinute: 3, concurrency: 1 });
    const { clock, enter } = world;
    const startMs = clock.now();
    const until = (atMs: number): Promise<void> => clock.advance(startMs + atMs - clock.now());
    (await enter()).leave(answered);
    await until(14_000);
    (await enter()).leave(answered);
    await until(40_000);
    const held = await enter();
    await until(41_000);
    // Sent away since no place is given back, and due when the limit is still reached.
    void refusalOf(enter({ caller: "gone" }));
    await until(59_950);
    held.leave(answered);
    const waiting = insist(world, { caller: "waits" });
    await until(60_500);
    // Whatever happens by then; it has to wait for the one that is due, and for the limit.
    void insist(world, { caller: "later" });
    await until(120_000);

    expect((await waiting).waitedMs).toBeLessThanOrEqual(2_100);
  });

  it("when the minute is over, though a call that set much aside is still under way", async () => {
    const world = open({ tokensPerMinute: 1_000 });
    await world.enter({ inputTokens: 100, outputTokens: 800 });
    await world.clock.advance(50_000);

    const waiting = insist(world, { caller: "waits", inputTokens: 100, outputTokens: 100 });
    await world.clock.advance(11_000);

    expect((await waiting).waitedMs).toBe(11_000);
  });
});
