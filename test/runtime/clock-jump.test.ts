import { defineAgent, defineTeam } from "longhaul";
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { macrotask } from "../../src/base/turn.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { describeHealth } from "../../src/record/health.ts";
import { openLiveTeam } from "../../src/runtime/live-team.ts";

const hour = 3_600_000;

test("a machine that slept for eight hours in a step does not find its agent stalled, and finds it so when it really is", async () => {
  const clock = new VirtualClock();
  let sleptMs = 0;
  const told: string[] = [];
  const busy = defineAgent({ name: "busy", limits: { activeTime: "3d" }, run: (ctx) => ctx.step("long", () => new Promise(() => undefined), { timeout: "2d", attempts: 1 }), expect: { progressWithin: "1d" } });
  const team = await openLiveTeam({
    team: defineTeam({ name: "t", agents: [busy] }),
    dataDirectory: null,
    clock: { now: () => clock.now() + sleptMs, monotonicMs: () => clock.monotonicMs(), setTimer: (delayMs, run) => clock.setTimer(delayMs, run) },
    random: seededRandom(1),
    environment: () => undefined,
    print: (line) => void told.push(line),
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 100; turn++) await macrotask();
  };
  await team.start();
  await team.operations.submit({ agent: "busy", input: null, source: "test" });
  await clock.advance(hour, settle);

  sleptMs += 8 * hour;
  await clock.advance(120_000, settle);

  expect(told).toEqual([]);
  expect((await team.health()).map(({ health }) => describeHealth(health))).toEqual(["working"]);
  await clock.advance(30 * hour, settle);
  expect((await team.health()).map(({ bad }) => bad)).toEqual([true]);
  await team.close();
});
