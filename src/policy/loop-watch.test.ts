import { describe, expect, it } from "vitest";
import { integerBetween, seededRandom } from "../base/random.ts";
import { expectRepetition, findRepetition, loopLimits, type SeenTurn } from "./loop-watch.ts";

/** "a1 b2": call a came to 1, then b to 2. */
function turns(text: string): readonly SeenTurn[] {
  return text.split(" ").filter(Boolean).map((turn) => ({ calls: turn.slice(0, 1), results: turn.slice(1) }));
}

describe("a repetition", () => {
  it.each([
    ["", 1, 1],
    ["a1", 1, 1],
    ["a1 a1 a1", 3, 1],
    ["a1 a1 a2", 1, 1],
    ["b1 a1 b1 a1 b1 a1", 3, 2],
    ["x9 a1 b1 c1 a1 b1 c1", 2, 3],
    ["a1 b1 c1 d1 a1 b1 c1 d1 a1 b1 c1 d1", 3, 4],
    ["a1 b1 c1 d1 e1 a1 b1 c1 d1 e1", 1, 1],
    ["a1 a1 a1 b1", 1, 1],
  ])("of %j is found: %i rounds of %i", (text, rounds, period) => {
    expect(findRepetition(turns(text))).toMatchObject({ rounds, period });
  });

  it("is expected before the calls are made, by what came of them last", () => {
    expect(expectRepetition(turns("a1 a1 a1 a1"), "a")).toEqual({ rounds: 5, period: 1, isWhole: true, results: "1" });
    expect(expectRepetition(turns("a1 b2 a1 b2 a1 b2 a1 b2"), "a")).toMatchObject({ rounds: 4, period: 2, isWhole: false, results: "1" });
    expect(expectRepetition(turns("a1 b2 a1 b2 a1 b2 a1 b2 a1"), "b")).toEqual({ rounds: 5, period: 2, isWhole: true, results: "2" });
    expect(expectRepetition(turns("a1 a1 a1 a1"), "b")).toEqual({ rounds: 1, period: 1, isWhole: true, results: null });
    expect(expectRepetition(turns("a1 a2 a3 a4"), "a")).toMatchObject({ rounds: 2 });
  });

  it("is found in every loop of up to four turns that begins after some work, and in no work that goes on, however slowly", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed);
      const work = Array.from({ length: integerBetween(random, 0, 12) }, (_, index): SeenTurn => ({ calls: `edit ${index}`, results: "ok" }));
      const period = integerBetween(random, 1, loopLimits.cycleMax);
      const cycle = Array.from({ length: period }, (_, index): SeenTurn => ({ calls: `look ${index}`, results: `${integerBetween(random, 0, 1)}` }));
      const looping = [...work, ...Array.from({ length: loopLimits.endAt }, () => cycle).flat()];
      expect(findRepetition(looping).rounds, `seed ${seed}`).toBeGreaterThanOrEqual(loopLimits.endAt);

      // The same two calls again and again; each time a little more is done.
      const progressing = Array.from({ length: 60 }, (_, index): SeenTurn => (index % 2 === 0 ? { calls: `edit line ${index}`, results: "ok" } : { calls: "run tests", results: "failed" }));
      const polling = Array.from({ length: 60 }, (_, index): SeenTurn => ({ calls: "status", results: `${Math.floor(index / 2)} %` }));
      expect([findRepetition(progressing).rounds, findRepetition(polling).rounds]).toEqual([1, 2]);
    }
  });
});
