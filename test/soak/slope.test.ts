import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { fitSlope } from "./slope.ts";

describe("a slope", () => {
  it("is that of a line, with no margin", () => {
    const { perX, margin } = fitSlope([0, 1, 2, 3].map((x) => ({ x, y: 5 + 2 * x })));

    expect(perX).toBeCloseTo(2, 12);
    expect(margin).toBeCloseTo(0, 12);
  });

  it("and its margin are those of a worked example", () => {
    // Residuals 0.3, -0.1, -0.7 and 0.5 about y = 1.7 x; two degrees of freedom, so t = 4.303; a spread of 5.
    const { perX, margin } = fitSlope([{ x: 1, y: 2 }, { x: 2, y: 3.3 }, { x: 3, y: 4.4 }, { x: 4, y: 7.3 }]);

    expect(perX).toBeCloseTo(1.7, 10);
    expect(margin).toBeCloseTo(4.303 * Math.sqrt(0.84 / 2 / 5), 3);
  });

  it("lies within its margin 95 times of 100", () => {
    const random = seededRandom(7);
    // The sum of 12 is about normal.
    const noise = (): number => Array.from({ length: 12 }, () => random.next()).reduce((a, b) => a + b, -6);
    const inside = Array.from({ length: 2_000 }, () => {
      const { perX, margin } = fitSlope(Array.from({ length: 10 }, (_, x) => ({ x, y: 3 * x + noise() })));
      return Math.abs(perX - 3) <= margin;
    }).filter(Boolean).length;

    expect(inside / 2_000).toBeGreaterThan(0.93);
    expect(inside / 2_000).toBeLessThan(0.97);
  });

  it("is refused where there is none", () => {
    expect(() => fitSlope([{ x: 1, y: 1 }, { x: 2, y: 2 }])).toThrow("needs 3 points, not 2");
    expect(() => fitSlope([{ x: 1, y: 1 }, { x: 1, y: 2 }, { x: 1, y: 3 }])).toThrow("the same x");
  });
});
