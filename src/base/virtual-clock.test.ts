import { describe, expect, it } from "vitest";
import { integerBetween, seededRandom } from "./random.ts";
import { VirtualClock } from "./virtual-clock.ts";

const startMs = Date.UTC(2026, 0, 1);

describe("a virtual clock", () => {
  it("fires timers in order of their time, then of their creation, whatever was cancelled meanwhile", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(`virtual-clock-${seed}`);
      const clock = new VirtualClock(startMs);
      const expected: { readonly atMs: number; readonly name: number }[] = [];
      const fired: number[] = [];
      for (let name = 0; name < 3_000; name++) {
        const delayMs = integerBetween(random, -5, 500);
        const timer = clock.setTimer(delayMs, () => fired.push(name));
        if (random.next() < 0.6) timer.cancel();
        else expected.push({ atMs: Math.max(0, delayMs), name });
      }
      const inOrder = expected.toSorted((a, b) => a.atMs - b.atMs || a.name - b.name);

      expect(clock.pendingAtMs, `SEED=${seed}`).toEqual(inOrder.map(({ atMs }) => startMs + atMs));
      expect(clock.nextAtMs).toBe(startMs + (inOrder[0]?.atMs ?? 0));
      expect(clock.runTimers(startMs + 1_000)).toBe(inOrder.length);
      expect(fired, `SEED=${seed}`).toEqual(inOrder.map(({ name }) => name));
      expect(clock.nextAtMs).toBeUndefined();
    }
  });

  it("fires what is set while it fires, and nothing that was cancelled by a timer before it", () => {
    const clock = new VirtualClock(startMs);
    const fired: string[] = [];
    clock.setTimer(10, () => {
      fired.push("first");
      clock.setTimer(0, () => fired.push("at once"));
      later.cancel();
    });
    const later = clock.setTimer(10, () => fired.push("cancelled"));
    clock.setTimer(11, () => fired.push("last"));
    later.cancel();
    clock.runTimers(startMs + 20);

    expect(fired).toEqual(["first", "at once", "last"]);
    expect(clock.now()).toBe(startMs + 20);
    expect(clock.timersSet).toBe(4);
  });

  it("lets promises settle between two instants when it is advanced, and not when timers run back to back", async () => {
    const order = async (advance: (clock: VirtualClock) => unknown): Promise<readonly string[]> => {
      const clock = new VirtualClock(startMs);
      const seen: string[] = [];
      for (const delayMs of [1, 2]) clock.setTimer(delayMs, () => void Promise.resolve().then(() => seen.push(`promise of ${delayMs}`)));
      clock.setTimer(3, () => seen.push("3"));
      await advance(clock);
      return seen;
    };

    expect(await order((clock) => clock.advance(5))).toEqual(["promise of 1", "promise of 2", "3"]);
    expect(await order((clock) => clock.runTimers(startMs + 5))).toEqual(["3", "promise of 1", "promise of 2"]);
  });

  it("fires one timer at a time on request, none beyond the limit", () => {
    const clock = new VirtualClock(startMs);
    const fired: number[] = [];
    for (const delayMs of [5, 5, 50]) clock.setTimer(delayMs, () => fired.push(delayMs));

    expect([clock.fireNext(startMs + 10), clock.fireNext(startMs + 10), clock.fireNext(startMs + 10)]).toEqual([true, true, false]);
    expect(fired).toEqual([5, 5]);
    expect(clock.now()).toBe(startMs + 5);
  });
});
