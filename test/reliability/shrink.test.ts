import { describe, expect, test } from "vitest";
import { type Fault, type FaultPlan } from "./fault-plan.ts";
import { commandFor, shrinkPlan } from "./shrink.ts";
import { steps } from "./teams/steps.ts";

const faults: readonly Fault[] = Array.from({ length: 12 }, (_, commit) => ({ kind: "crash", commit, when: "before" }));
const plan: FaultPlan = { seed: 7, scenario: steps, faults, horizonMs: 20_000 };
const commitsOf = (candidate: FaultPlan): readonly number[] => candidate.faults.flatMap((fault) => ("commit" in fault ? [fault.commit] : []));

describe("shrinking a failing plan", () => {
  test("keeps the faults that it takes together, and no others", async () => {
    const { kept, tries } = await shrinkPlan(plan, async (candidate) => [3, 8, 11].every((commit) => commitsOf(candidate).includes(commit)));

    expect(kept).toEqual([3, 8, 11]);
    expect(tries).toBeLessThan(80);
  });

  test("shortens the horizon as far as it fails", async () => {
    const { plan: shrunk } = await shrinkPlan(plan, async (candidate) => candidate.horizonMs >= 4_321);

    expect(shrunk.faults).toEqual([]);
    expect(shrunk.horizonMs).toBeGreaterThanOrEqual(4_321);
    expect(shrunk.horizonMs).toBeLessThan(4_600);
  });

  test("leaves a plan as it is when all of it matters", async () => {
    const { plan: shrunk } = await shrinkPlan(plan, async (candidate) => candidate.faults.length === 12 && candidate.horizonMs === 20_000);

    expect(shrunk).toEqual(plan);
  });

  test("ends in one command", () => {
    expect(commandFor(7)).toBe("npm run reliability -- --seed 7");
    expect(commandFor(7, [3, 8], 4_400)).toBe("npm run reliability -- --seed 7 --faults 3,8 --horizon 4400");
    expect(commandFor(7, [], 400)).toBe("npm run reliability -- --seed 7 --faults none --horizon 400");
  });
});
