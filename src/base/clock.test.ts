import { describe, expect, it } from "vitest";
import { setWallTimer, type Clock } from "./clock.ts";
import { VirtualClock } from "./virtual-clock.ts";

const hour = 3_600_000;

/** A clock whose wall time can be set while its timers go on. */
function world() {
  const time = new VirtualClock();
  const wall = { skewMs: 0 };
  const clock: Clock = { now: () => time.now() + wall.skewMs, monotonicMs: () => time.monotonicMs(), setTimer: time.setTimer.bind(time) };
  const firedAfterMs: number[] = [];
  const startMs = time.monotonicMs();
  return { time, wall, clock, firedAfterMs, fire: () => void firedAfterMs.push(time.monotonicMs() - startMs) };
}

describe("a timer by the wall clock", () => {
  it("fires once, after its delay, however long that is", async () => {
    for (const delayMs of [-5, 0, 1, hour, hour + 1, 40 * 24 * hour]) {
      const { time, clock, firedAfterMs, fire } = world();
      setWallTimer(clock, delayMs, fire);
      await time.advance(100 * 24 * hour);

      expect(firedAfterMs).toEqual([Math.max(0, delayMs)]);
      expect(time.pendingAtMs).toEqual([]);
    }
  });

  it("fires within an hour when the clock was set forward past its instant, and in time when it was set back", async () => {
    for (const [skewMs, firesAfterMs] of [[48 * hour, 2 * hour], [5 * hour, 5 * hour], [-48 * hour, 10 * hour]] as const) {
      const { time, wall, clock, firedAfterMs, fire } = world();
      setWallTimer(clock, 10 * hour, fire);
      await time.advance(1.5 * hour);
      wall.skewMs = skewMs;
      await time.advance(20 * hour);

      expect(firedAfterMs).toEqual([firesAfterMs]);
    }
  });

  it("does not fire when it was cancelled, also between two looks at the clock", async () => {
    const { time, clock, firedAfterMs, fire } = world();
    const timer = setWallTimer(clock, 10 * hour, fire);
    await time.advance(2.5 * hour);
    timer.cancel();
    await time.advance(20 * hour);

    expect(firedAfterMs).toEqual([]);
    expect(time.pendingAtMs).toEqual([]);
  });
});
