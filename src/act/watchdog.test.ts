import { describe, expect, it } from "vitest";
import type { LonghaulError } from "../base/error.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { expectationDefaults } from "../judge/observation.ts";
import { describeHealth } from "../record/health.ts";
import { createWatchdog, type WatchdogOptions, type WatchedAgent } from "./watchdog.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const startMs = new VirtualClock().now();

function agent(changes: Partial<WatchedAgent["observation"]> = {}): WatchedAgent {
  return {
    expectation: { ...expectationDefaults, progressWithinMs: hour },
    observation: {
      agent: "research", observedSinceMs: startMs, firesSinceMs: 0, progressSinceMs: startMs, queued: 0, oldestQueuedAtMs: null, running: [], waiting: [], paused: false, lastProgressAtMs: null,
      progressCount: 0, doneSinceProgress: 0, deadSinceProgress: 0, firstEndSinceProgressAtMs: null, lastEndedAtMs: null, consecutiveDead: 0,
      lastDeadReason: null, degraded: null, schedules: [], slotsFree: 1, ...changes,
    },
  };
}

/** A watchdog over agents that a test may change, with what it told and when, counted from the start. */
function watch(agents: readonly WatchedAgent[], changes: Partial<WatchdogOptions> = {}) {
  const clock = new VirtualClock();
  const world = { agents, looksAtMs: [] as number[], told: [] as string[], blind: [] as LonghaulError[] };
  const watchdog = createWatchdog({
    clock,
    observe: async () => {
      world.looksAtMs.push(clock.now() - startMs);
      return world.agents;
    },
    onVerdict: (verdicts) => {
      world.told.push(verdicts.map(({ health }) => describeHealth(health)).join());
    },
    onBlind: (error) => {
      world.blind.push(error);
    },
    ...changes,
  });
  return { clock, world, watchdog };
}

describe("a watchdog", () => {
  it("judges at its start, then sleeps without a timer while nothing is open, scheduled or bad", async () => {
    const { clock, world } = watch([agent()]);
    await clock.advance(0);

    expect(world.told).toEqual(["idle"]);
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("judges at most once a second, however often something changed", async () => {
    const { clock, world, watchdog } = watch([agent()]);
    await clock.advance(10 * second);

    for (let tick = 0; tick < 35; tick++) {
      watchdog.changed();
      watchdog.changed();
      await clock.advance(100);
    }
    await clock.advance(hour);

    expect(world.looksAtMs).toEqual([0, 10 * second, 11 * second, 12 * second, 13 * second, 14 * second]);
  });

  it("does not lose a change that comes while it judges", async () => {
    let finish = (): void => {};
    let looks = 0;
    const { clock, watchdog } = watch([], {
      observe: () => {
        looks++;
        return new Promise((resolve) => {
          finish = () => resolve([agent()]);
        });
      },
    });
    await clock.advance(0);

    watchdog.changed();
    await clock.advance(5 * second);
    expect(looks, "never two at once").toBe(1);
    finish();
    await clock.advance(0);

    expect(looks).toBe(2);
  });

  it("judges exactly when a verdict can change by itself", async () => {
    const schedule = { triggerId: "every(10m)", nextAtMs: startMs + 10 * minute, intervalMs: 10 * minute, lastReceiptAtMs: null };
    const { clock, world } = watch([agent({ schedules: [schedule] })]);
    await clock.advance(0);

    // paperclipai/paperclip#1165, openclaw#141633: the scheduler is dead and nothing else happens, ever.
    expect(clock.pendingAtMs).toEqual([startMs + 20 * minute + 1]);
    await clock.advance(20 * minute + 1);
    expect(world.told).toEqual(["idle", "missed"]);
  });

  it("judges every minute while work is queued or runs, and while an agent is bad", async () => {
    const running = watch([agent({ running: [{ taskId: "t_1", startedAtMs: startMs, openSinceMs: startMs, lastActivityAtMs: startMs }] })]);
    const queued = watch([agent({ queued: 1, oldestQueuedAtMs: startMs, slotsFree: 0 })]);
    const bad = watch([agent({ consecutiveDead: 3 })]);
    for (const { clock, world } of [running, queued, bad]) {
      await clock.advance(3 * minute);

      expect(world.looksAtMs).toEqual([0, minute, 2 * minute, 3 * minute]);
    }
  });

  it("lets what waits for a timer wait, and judges another wait when it has become too long", async () => {
    const timer = watch([agent({ waiting: [{ taskId: "t_1", reason: "timer", sinceMs: startMs, openSinceMs: startMs }] })]);
    const human = watch([agent({ waiting: [{ taskId: "t_1", reason: "human", sinceMs: startMs, openSinceMs: startMs }] })]);
    await timer.clock.advance(72 * hour);
    await human.clock.advance(hour + 1);

    expect(timer.world.looksAtMs).toEqual([0]);
    expect(timer.clock.pendingAtMs).toEqual([]);
    expect(human.world.looksAtMs).toEqual([0, hour + 1]);
    expect(human.world.told).toEqual(["waiting(human)", "stuck-waiting(human)"]);
  });

  it("notices within an hour that the machine slept through the instant of a review", async () => {
    const time = new VirtualClock();
    let sleptMs = 0;
    const clock = { now: () => time.now() + sleptMs, monotonicMs: () => time.monotonicMs(), setTimer: time.setTimer.bind(time) };
    const schedule = { triggerId: "research/every:1d", nextAtMs: startMs + 24 * hour, intervalMs: hour, lastReceiptAtMs: null };
    const { world } = watch([agent({ schedules: [schedule] })], { clock });
    await time.advance(minute);
    sleptMs = 30 * hour;

    await time.advance(hour);

    expect(world.told.slice(0, 2)).toEqual(["idle", "missed"]);
  });

  it("names a hollow agent the moment its interval is over", async () => {
    const { clock, world } = watch([agent({ doneSinceProgress: 3, firstEndSinceProgressAtMs: startMs + second })]);

    await clock.advance(hour);
    expect(new Set(world.told)).toEqual(new Set(["idle"]));
    await clock.advance(1);
    expect(world.told.at(-1)).toBe("hollow");
  });

  it("does nothing after its close, and ends the judgement under way", async () => {
    const { clock, world, watchdog } = watch([], { observe: () => new Promise(() => {}) });
    await clock.advance(0);

    await watchdog.close();
    watchdog.changed();
    await clock.advance(hour);

    expect(clock.pendingAtMs).toEqual([]);
    expect(world.blind).toEqual([]);
  });
});

describe("a watchdog that cannot judge", () => {
  it("tells so when observing throws, looks again within a minute, and tells when it can again", async () => {
    let isBroken = true;
    const { clock, world, watchdog } = watch([], {
      observe: async () => {
        if (isBroken) throw new Error("disk I/O error");
        return [agent()];
      },
    });
    await clock.advance(minute);

    expect(world.blind.map(({ code, message }) => `${code} ${message}`)).toEqual(Array.from({ length: 2 }, () => "WATCHDOG_BLIND The watchdog cannot judge: disk I/O error"));
    expect(world.told).toEqual([]);

    isBroken = false;
    await clock.advance(minute);

    expect(world.told).toEqual(["idle"]);
    expect(watchdog.blind).toBeNull();
  });

  it("tells so when observing hangs for 30 s", async () => {
    const { clock, world } = watch([], { observe: () => new Promise(() => {}) });

    await clock.advance(30 * second - 1);
    expect(world.blind).toEqual([]);
    await clock.advance(1);
    expect(world.blind[0]?.message).toContain("Observing the agents took longer than 30 s");
  });

  it("tells so when its verdicts are not taken", async () => {
    const { clock, world } = watch([agent()], { onVerdict: () => Promise.reject(new Error("outbox is full")) });
    await clock.advance(0);

    expect(world.blind[0]?.message).toBe("The watchdog cannot judge: outbox is full");
  });

  it("shows both causes and goes on when even telling fails", async () => {
    let tellings = 0;
    const { clock, watchdog } = watch([], {
      observe: () => Promise.reject(new Error("disk I/O error")),
      onBlind: () => {
        tellings++;
        throw new Error("no notifier");
      },
    });
    await clock.advance(2 * minute);

    expect(watchdog.blind?.message).toBe("The watchdog cannot judge: disk I/O error; telling it failed too: no notifier");
    expect(tellings).toBe(3);
  });
});
