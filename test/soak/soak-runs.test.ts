import { expect, it } from "vitest";
import { fitSlope } from "./slope.ts";
import { soakRuns } from "./soak-runs.ts";

it("holds nothing of runs that have ended: no handle, no timer, no memory for each", { timeout: 180_000 }, async () => {
  const { samples, grown, left } = await soakRuns({ runs: 2_400, perSample: 200 });
  const { perX, margin } = fitSlope(samples.slice(4).map(({ runs, heapBytes }) => ({ x: runs, y: heapBytes })));

  expect(grown).toEqual({});
  expect(left).toEqual({});
  expect((samples.at(-1)?.timers ?? 0) - (samples[0]?.timers ?? 0)).toBeLessThanOrEqual(2);
  // So few runs show only what is large: `npm run soak:runs` shows 25 bytes a run.
  expect(perX - margin).toBeLessThan(500);
});
