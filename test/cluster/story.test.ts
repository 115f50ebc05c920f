import { expect, it } from "vitest";
import { planOf } from "./fault-plan.ts";
import { tellStory } from "./story.ts";

/** Work is to go on within 10 s, as `npm run cluster-chaos` measures it; other tests share the machine with this one. */
const resumeMsMax = 20_000;

it("a cluster lives through a death of each node, of a worker and of PostgreSQL, a worker that hangs and one that is cut off: nothing is lost or doubled, and work goes on", { timeout: 240_000 }, async () => {
  const plan = planOf(1, { isShort: true });

  const { tasks, effects, resumptions, violations } = await tellStory({ plan, resumeMsMax });

  expect(violations).toEqual([]);
  expect(tasks).toBeGreaterThanOrEqual(plan.tasks);
  expect(effects).toBeGreaterThan(plan.tasks);
  expect(resumptions).toHaveLength(plan.faults.length);
  expect(resumptions.reduce((sum, { hit }) => sum + hit, 0)).toBeGreaterThan(0);
});
