import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { storyFolder } from "./story-folder.ts";
import { tellStory } from "./story.ts";
import { shop } from "./teams/shop.ts";
import { teams } from "./teams/all.ts";
import { eventsOf } from "./world.ts";

let folder: ReturnType<typeof storyFolder>;
beforeEach(() => {
  folder = storyFolder();
});
afterEach(() => folder.remove());

// A `once` call that a process has under way when it hangs happens when it wakes up, whatever another process found out meanwhile: nobody can promise
// otherwise, and so the shop is not among these teams.
const byName = teams.filter((scenario) => scenario !== shop).map((scenario) => [scenario.name, scenario] as const);

test.each(byName)("what a process of team %s writes that hung, and was replaced meanwhile, does not count", async (_, scenario) => {
  for (const atMs of [0, 30, 60, 90, 150, 200]) {
    for (const forMs of [21_000, 20_150]) {
      const end = await tellStory({ scenario, folder: join(folder.path, `${atMs}-${forMs}`), seed: `hang ${atMs}`, hang: { atMs, forMs } });

      expect(end.violations, `hung from ${atMs} ms for ${forMs} ms`).toEqual([]);
      expect(eventsOf(end.log, "opened").length).toBeGreaterThan(0);
    }
  }
});
