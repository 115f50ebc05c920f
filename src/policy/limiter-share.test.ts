import { describe, expect, it } from "vitest";
import { sleep } from "../base/clock.ts";
import type { LimitedCall } from "./account.ts";
import { answered, insist, open, refusalOf, type World } from "./limiter-fixture.testsuite.ts";

const minuteMs = 60_000;

it("an agent's urgent calls do not let another one's go ahead", async () => {
  const { enter } = open({ concurrency: 1 });
  const first = await enter({ agent: "x", priority: 9 });
  const order: string[] = [];
  const wait = async (agent: string, priority: number): Promise<void> => {
    const pass = await enter({ agent, priority });
    order.push(agent);
    pass.leave(answered);
  };
  const early = Array.from({ length: 20 }, () => wait("early", 0));
  const urgent = Array.from({ length: 50 }, () => wait("x", 9));
  // That agent has had fifty turns by then, though none of this priority.
  const late = wait("x", 1).then(() => Promise.all(Array.from({ length: 20 }, () => wait("late", 0))));

  first.leave(answered);
  await Promise.all([...early, ...urgent, late]);

  const shared = order.filter((agent) => agent !== "x").slice(0, 20);
  expect(shared.filter((agent) => agent === "late").length).toBeGreaterThanOrEqual(9);
});

it("an agent's urgent calls do not count against its others", async () => {
  const { enter } = open({ concurrency: 1 });
  const first = await enter({ agent: "x", priority: 9 });
  const order: string[] = [];
  const wait = async (agent: string, priority: number): Promise<void> => {
    const pass = await enter({ agent, priority });
    order.push(`${agent} ${priority}`);
    pass.leave(answered);
  };
  const all = [
    ...Array.from({ length: 20 }, () => wait("y", 0)),
    ...Array.from({ length: 20 }, () => wait("x", 0)),
    ...Array.from({ length: 50 }, () => wait("x", 9)),
  ];

  first.leave(answered);
  await Promise.all(all);

  expect(order.slice(50, 70).filter((one) => one === "x 0")).toHaveLength(10);
});

describe.each([0, 9])("a large call, behind small ones of priority %d that never end", (priority) => {
  it("has its turn within minutes", async () => {
    const world = open({ tokensPerMinute: 1_000 });
    let small = 0;
    const trickle = async (): Promise<never> => {
      for (;;) {
        const { pass } = await insist(world, { caller: `small-${small++}`, agent: "small", priority, inputTokens: 10, outputTokens: 10 });
        await sleep(world.clock, 500);
        pass.leave({ kind: "used", inputTokens: 10, freshInputTokens: 10, outputTokens: 10 });
        await sleep(world.clock, 2_500);
      }
    };
    void trickle();
    await world.clock.advance(30_000);

    let tookMs = Number.POSITIVE_INFINITY;
    void insist(world, { caller: "large", agent: "large", inputTokens: 300, outputTokens: 600 }).then(({ waitedMs }) => (tookMs = waitedMs));
    for (let minute = 0; minute < 30; minute++) await world.clock.advance(minuteMs);

    expect(tookMs).toBeLessThanOrEqual(6 * minuteMs);
    expect(small, "those go on").toBeGreaterThan(30);
  });
});

/** Calls of a tool with so many places, that take so long each: how long they take all together, and how often one was sent away. */
async function throughTool(world: World, { callMs, places, callers }: { readonly callMs: number; readonly places: number; readonly callers: number }): Promise<{ readonly tookMs: number }> {
  const startMs = world.clock.now();
  let done = 0;
  let tookMs = Number.POSITIVE_INFINITY;
  const tool: Partial<LimitedCall> = { account: "tool x", model: null, concurrencyMax: places, inputTokens: 0, outputTokens: 0 };
  const call = async (caller: string): Promise<void> => {
    const { pass } = await insist(world, { ...tool, caller, agent: caller });
    await sleep(world.clock, callMs);
    pass.leave(answered);
    if (++done === callers) tookMs = world.clock.now() - startMs;
  };
  for (let index = 0; index < callers; index++) void call(`caller-${index}`);
  for (let second = 0; second < 1_200 && done < callers; second++) await world.clock.advance(1_000);
  return { tookMs };
}

describe("places", () => {
  it.each([
    { callMs: 4_000, places: 1, callers: 20 },
    { callMs: 6_000, places: 1, callers: 20 },
    { callMs: 6_000, places: 8, callers: 100 },
    { callMs: 30_000, places: 4, callers: 40 },
  ])("of a tool that is slow and works are used: $callers calls of $callMs ms, $places at once", async (tool) => {
    const { tookMs } = await throughTool(open(), tool);

    expect(tookMs).toBeLessThanOrEqual(((tool.callMs * tool.callers) / tool.places) * 1.3);
  });

  it("of a tool of which a call is known to take ten seconds are waited for here for longer than those of one that is not known", async () => {
    const { clock, enter } = open();
    const tool: Partial<LimitedCall> = { account: "tool x", model: null, concurrencyMax: 2, inputTokens: 0, outputTokens: 0 };
    const known = [await enter(tool), await enter(tool)];
    await clock.advance(10_000);
    for (const pass of known) pass.leave(answered);
    const again = [await enter(tool), await enter(tool)];
    const waiting = enter(tool);

    await clock.advance(10_000);
    for (const pass of again) pass.leave(answered);

    await expect(waiting).resolves.toBeDefined();
  });

  it("of one model are waited for here for no longer than those of an account", async () => {
    const { clock, enter } = open({}, { "p/m": { concurrency: 2 } });
    await enter();
    await enter();

    const refusing = refusalOf(enter());
    await clock.advance(5_000);

    expect((await refusing).details).toMatchObject({ dependency: "p/m", limit: "concurrency", max: 2 });
  });
});
