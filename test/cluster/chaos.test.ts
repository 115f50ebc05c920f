import { expect, it } from "vitest";
import { planOf } from "./fault-plan.ts";
import { tellStory } from "./story.ts";

const seed = 1;
/** Runs go on within 10 s on an idle machine; what CI shares its cores with is not the cluster's fault. */
const resumeMsMax = 25_000;

it("a cluster whose nodes, workers and database are killed, frozen and cut off loses nothing and does nothing twice", async () => {
  const { violations, tasks } = await tellStory({ plan: planOf(seed, { isShort: true }), resumeMsMax });
  expect(violations, `again: npm run cluster-chaos -- --seed ${seed} --short --verbose`).toEqual([]);
  expect(tasks).toBeGreaterThanOrEqual(150);
}, 240_000);
