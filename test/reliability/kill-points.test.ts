import { afterEach, beforeEach, expect, test } from "vitest";
import { killEverywhere, tellTrunk } from "./kill-points.ts";
import { storyFolder } from "./story-folder.ts";
import { steps } from "./teams/steps.ts";
import { teams } from "./teams/all.ts";

let folder: ReturnType<typeof storyFolder>;
beforeEach(() => {
  folder = storyFolder();
});
afterEach(() => folder.remove());

test("a story has a kill point before and after each of its commits, and where the outside saw something", async () => {
  const { points, end } = await tellTrunk(steps, folder.path);

  expect(end.violations).toEqual([]);
  const names = points.map(({ name }) => name);
  for (let commit = 1; commit <= end.commits; commit++) expect(names).toEqual(expect.arrayContaining([`before commit ${commit}`, `after commit ${commit}`]));
  expect(names.filter((name) => name.includes("event")).length).toBeGreaterThan(20);
});

// The script `npm run reliability -- --kill-points` takes them all; here each run takes every sixth, and every team has some.
test.each(teams.map((scenario) => [scenario.name, scenario] as const))("a process of team %s that dies before or after a commit breaks no promise", async (_, scenario) => {
  const report = await killEverywhere({ scenario, folder: folder.path, stride: 6, offset: 1 });

  expect(report.violations).toEqual([]);
  expect(report.branches).toBeGreaterThan(10);
});
