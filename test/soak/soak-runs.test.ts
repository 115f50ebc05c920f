import { expect, it } from "vitest";
import { fitSlope } from "./slope.ts";
import { soakRuns } from "./soak-runs.ts";

it("holds nothing of runs that have ended: no handle, no timer, no memory for each", { timeout: 180_000 }, async () => {
  const { samples, grown, left } = await soakRuns({ runs: 6_000, perSample: 500 });
  const { perX, margin } = fitSlope(samples.slice(4).map(({ runs, heapBytes }) => ({ x: runs, y: heapBytes })));

  expect(grown).toEqual({});
  expect(left).toEqual({});
  expect((samples.at(-1)?.timers ?? 0) - (samples[0]?.timers ?? 0)).toBeLessThanOrEqual(2);
  // In so few runs a bound of 300 bytes is what the noise allows to be seen: one object kept for each run would be more.
  expect(perX - margin).toBeLessThan(300);
  expect(perX).toBeLessThan(600);
});
