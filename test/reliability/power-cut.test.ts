import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { listPowerCuts } from "./power-cut.ts";
import { cutPowerEverywhere } from "./power-points.ts";
import { storyFolder } from "./story-folder.ts";
import { teams } from "./teams/all.ts";
import { tellTrunk } from "./kill-points.ts";
import { bank } from "./teams/bank.ts";
import { parseWal } from "./wal.ts";

let folder: ReturnType<typeof storyFolder>;
beforeEach(() => {
  folder = storyFolder();
});
afterEach(() => folder.remove());

// The script `npm run reliability -- --power` takes them all.
test.each(teams.map((scenario) => [scenario.name, scenario] as const))("a power cut during a commit of team %s leaves all of it or nothing, and breaks no promise", async (_, scenario) => {
  const report = await cutPowerEverywhere({ scenario, folder: folder.path, stride: 12, offset: 5 });

  expect(report.violations).toEqual([]);
  expect(report.cuts).toBeGreaterThan(20);
});

test("cuts are made at every frame, in a log that begins anew, and while a log is worked off", async () => {
  const { points } = await tellTrunk(bank, folder.path);
  const commits = points.flatMap((before, index) => {
    const after = points[index + 1];
    return before.name.startsWith("before") && after !== undefined ? [{ before: before.image, after: after.image }] : [];
  });

  const cuts = commits.map(({ before, after }) => listPowerCuts({ synced: before, before, after }, seededRandom(1)));

  for (const [index, { before, after }] of commits.entries()) {
    const [old, now] = [parseWal(before.wal), parseWal(after.wal)];
    const frames = (now?.frames.length ?? 0) - (old?.salt === now?.salt ? (old?.frames.length ?? 0) : 0);
    for (let count = 0; count <= frames; count++) expect(cuts[index]?.map(({ name }) => name)).toContain(`after ${count} of ${frames} frames, old bytes beyond`);
  }
  const names = cuts.flat().map(({ name }) => name);
  expect(names.filter((name) => name === "before the new log's header").length).toBeGreaterThan(3);
  expect(names.filter((name) => name.startsWith("while the log is worked off: page")).length).toBeGreaterThan(20);
  expect(names.filter((name) => name.includes("a part of")).length).toBeGreaterThan(100);
});
