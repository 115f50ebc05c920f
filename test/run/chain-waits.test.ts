import { defineAgent, defineTeam, endpoint, fallback } from "longhaul";
import { createProviderSimulator, type Fault, type Receipt, replyText } from "longhaul/simulator";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Clock } from "../../src/base/clock.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

/*
 * Threads that this answers: litellm#7669 and #3274 (47 s of retries before the fallback, a stated wait that nobody honours), #32574 (a cool-down that was skipped because the
 * same failure had been logged before), #27823 (no Retry-After out: src/http/client.test.ts).
 */

const writer = defineAgent({ name: "writer", model: fallback(["anthropic/first", "openai/second"]), instructions: "Write.", limits: { outputTokensMax: 20 } });

let directory: ReturnType<typeof temporaryDirectory>;
// Loading them takes real time, for which a virtual clock does not wait.
beforeAll(async () => void (await Promise.all([import("@ai-sdk/anthropic"), import("@ai-sdk/openai")])));
beforeEach(() => void (directory = temporaryDirectory()));
afterEach(() => directory.remove());

interface World {
  readonly team: DiskTeam;
  /** When each provider was asked, in seconds since the start. */
  asked(provider: "anthropic" | "openai"): readonly number[];
  close(): Promise<void>;
}

/** Two providers, of which the first has faults. */
async function open(agents: Parameters<typeof defineTeam>[0]["agents"], fault: (request: number, atMs: number) => Fault | undefined): Promise<World> {
  const clock: Clock = { now: () => team.clock.now(), monotonicMs: () => team.clock.monotonicMs(), setTimer: (delayMs, run) => team.clock.setTimer(delayMs, run) };
  let requests = 0;
  const simulators = {
    anthropic: createProviderSimulator({ clock, script: () => replyText("from the first"), faults: () => fault(++requests, clock.now() - startMs) }),
    openai: createProviderSimulator({ clock, script: () => replyText("from the second") }),
  };
  const endpoints = (["anthropic", "openai"] as const).map((name) => endpoint({ name, baseUrl: `http://${name}.test/v1`, simulated: true, fetch: simulators[name].fetch }));
  const team: DiskTeam = await openDiskTeam(defineTeam({ name: "t", agents, endpoints }), { directory: directory.path });
  const startMs = team.clock.now();
  return {
    team,
    asked: (provider) => simulators[provider].receipts().map(({ atMs }: Receipt) => Math.round((atMs - startMs) / 1_000)),
    async close() {
      await team.close();
      for (const simulator of Object.values(simulators)) simulator.close();
    },
  };
}

describe("a chain of models", () => {
  it.each([15, 19])("whose first asks for %i s each time waits for it once, then goes to the next", async (seconds) => {
    const world = await open([writer], () => ({ kind: "status", status: 429, retryAfter: String(seconds) }));
    const startMs = world.team.clock.now();

    expect(await world.team.result(await world.team.submit("writer", null))).toMatchObject({ outcome: "degraded", output: "from the second" });

    expect(world.team.clock.now() - startMs).toBeLessThanOrEqual(20_000);
    expect(world.asked("anthropic")).toEqual([0, seconds]);
    await world.close();
  });

  it("whose first asks for longer goes to the next at once, and asks the first no sooner than it said", async () => {
    const world = await open([writer], (request) => (request === 1 ? { kind: "status", status: 429, retryAfter: "47" } : undefined));

    expect(await world.team.result(await world.team.submit("writer", null))).toMatchObject({ outcome: "degraded" });
    expect(world.asked("openai")).toEqual([0]);
    await world.team.advance(10_000);
    expect(await world.team.result(await world.team.submit("writer", null))).toMatchObject({ outcome: "degraded" });
    expect(world.asked("anthropic")).toEqual([0]);
    await world.team.advance(40_000);
    expect(await world.team.result(await world.team.submit("writer", null))).toMatchObject({ outcome: "unverified", output: "from the first" });
    expect(world.asked("anthropic")).toEqual([0, 50]);
    await world.close();
  });

  it("whose first says nothing is not kept waiting by it a second time", async () => {
    const world = await open([writer], () => ({ kind: "hang" }));

    expect(await world.team.result(await world.team.submit("writer", null))).toMatchObject({ outcome: "degraded" });

    expect([world.asked("anthropic"), world.asked("openai")]).toEqual([[0], [60]]);
    await world.close();
  });

  it("whose first fails at once is retried there before the next is asked", async () => {
    const world = await open([writer], () => ({ kind: "status", status: 503 }));

    expect(await world.team.result(await world.team.submit("writer", null))).toMatchObject({ outcome: "degraded" });

    expect(world.asked("anthropic")).toHaveLength(3);
    await world.close();
  });
});

it("a provider that refuses in the same words again and again is left alone each time for as long as it says", async () => {
  const alone = defineAgent({ name: "alone", model: "anthropic/first", instructions: "Write.", limits: { outputTokensMax: 20, concurrency: 50 } });
  const world = await open([alone], (_, atMs) => (atMs < 200_000 ? { kind: "status", status: 429, retryAfter: "60" } : undefined));
  const ids: string[] = [];
  for (let run = 0; run < 40; run++) ids.push(await world.team.submit("alone", run));

  for (const id of ids) expect(await world.team.result(id)).toMatchObject({ status: "done" });

  // All that was under way when it first refused was refused; then nobody asks before its time, whatever is on record already.
  const asked = world.asked("anthropic");
  const rounds = [...new Set(asked)].filter((at) => at < 200);
  expect(rounds.length).toBeGreaterThanOrEqual(3);
  const gaps = rounds.slice(1).map((at, index) => at - Number(rounds[index]));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(60);
  expect(asked.filter((at) => at === 0).length).toBeLessThanOrEqual(10);
  for (const at of rounds.slice(1)) expect(asked.filter((other) => other === at).length).toBeLessThanOrEqual(10);
  expect(world.team.printed.join("\n")).not.toContain("429");
  await world.close();
});
