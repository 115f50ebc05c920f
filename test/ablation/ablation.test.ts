import { describe, expect, it } from "vitest";
import { compare, downtimeRatio, findViolations, ratioMin } from "./ablation.ts";
import { families, planOf } from "./plan.ts";

// `npm run ablation` tells days of more seeds; docs/measurements/ablation.md says what is told.

describe("the same seeded faults, told to a loop of the AI SDK and to Longhaul", { timeout: 300_000 }, () => {
  it("without faults, both sides do everything, once", async () => {
    const { plan, naive, longhaul } = await compare({ seed: 1, hours: 3, only: [] });

    for (const side of [naive, longhaul]) {
      expect(side).toMatchObject({ accomplished: plan.tasks.length, lost: [], duplicated: 0, wrong: 0, team: { wholeMs: 0 }, agents: { wholeMs: 0 }, deaths: 0, interventions: [] });
    }
    expect(naive.calls).toBe(longhaul.calls);
  });

  it("through a storm, connections kept alive, a kill and a task that kills its process, Longhaul loses and doubles nothing, and is down for a tenth of the time", async () => {
    const comparisons = [await compare({ seed: 1, hours: 6 }), await compare({ seed: 6, hours: 6 })];

    expect(findViolations(comparisons)).toEqual([]);
    expect(downtimeRatio(comparisons)).toBeGreaterThanOrEqual(ratioMin);
    expect(comparisons.reduce((sum, { naive }) => sum + naive.duplicated, 0)).toBeGreaterThan(0);
    expect(comparisons.map(({ plan }) => [...plan.windows, ...plan.deaths].map(({ kind }) => kind))).toEqual([["kill"], ["storm", "keep-alive"]]);
    expect(comparisons.map(({ plan }) => plan.tasks.some(({ isPoison }) => isPoison))).toEqual([true, false]);
  });

  it("a plan is its seed's own, and a family of faults can be told by itself", () => {
    const whole = planOf(3);

    expect(planOf(3)).toEqual(whole);
    expect(planOf(4).tasks).not.toEqual(whole.tasks);
    expect(whole.windows.map(({ kind }) => kind).toSorted()).toEqual(["keep-alive", "outage", "outage", "silence", "storm", "storm"]);
    expect(planOf(3, { only: ["outage"] }).windows).toEqual(whole.windows.filter(({ kind }) => kind === "outage"));
    expect(families.filter((family) => family !== "small")).toHaveLength(8);
  });
});
