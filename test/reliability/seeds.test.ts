import { afterEach, beforeEach, expect, test } from "vitest";
import { planOf } from "./fault-plan.ts";
import { tellPlan } from "./seed-story.ts";
import { tellSeed } from "./seeds.ts";
import { storyFolder } from "./story-folder.ts";

let folder: ReturnType<typeof storyFolder>;
beforeEach(() => {
  folder = storyFolder();
});
afterEach(() => folder.remove());

// The script `npm run reliability -- --seeds 1000` tells more of them.
test.each(Array.from({ length: 50 }, (_, index) => index + 1))("seed %i breaks no promise", async (seed) => {
  const { violations, command, faults } = await tellSeed(seed, folder.path);

  expect(violations, `SEED=${seed}: ${command}\n${faults.join("\n")}`).toEqual([]);
});

test("a seed tells the same story each time", async () => {
  const tell = async (name: string) => (await tellPlan(planOf(6), `${folder.path}/${name}`)).log;

  const [first, second] = [await tell("first"), await tell("second")];

  expect(second).toEqual(first);
});

test("fifty seeds bring about every kind of fault and every team", () => {
  const plans = Array.from({ length: 50 }, (_, index) => planOf(index + 1));

  expect(new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)))).toEqual(new Set(["crash", "power", "kill", "full", "clock", "action", "slow", "models", "tools"]));
  expect(new Set(plans.map(({ scenario }) => scenario.name)).size).toBe(9);
});
