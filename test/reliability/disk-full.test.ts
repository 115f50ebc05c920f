import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Fault } from "./fault-plan.ts";
import { fillDisk, isJudged, mountSmallDisk, tryToMount, unmountSmallDisk } from "./fixture/small-disk.ts";
import { tellPlan } from "./seed-story.ts";
import { type Alarm, storyAtMs, tellStory } from "./story.ts";
import { storyFolder } from "./story-folder.ts";
import { teams } from "./teams/all.ts";
import { eventsOf } from "./world.ts";

let folder: ReturnType<typeof storyFolder>;
beforeEach(() => {
  folder = storyFolder();
});
afterEach(() => folder.remove());

const byName = teams.map((scenario) => [scenario.name, scenario] as const);

test.each(byName)("team %s goes on where it was when its data file may grow again", async (_, scenario) => {
  for (const [atMs, pages] of [[0, 0], [50, 1], [120, 2], [250, 0]] as const) {
    const end = await tellPlan({ seed: 1, scenario, faults: [{ kind: "full", atMs, forMs: 12_000, pages }], horizonMs: 20_000 }, join(folder.path, `${atMs}`));

    expect({ atMs, pages, violations: end.violations }).toEqual({ atMs, pages, violations: [] });
    expect(eventsOf(end.log, "filled")).toHaveLength(1);
  }
});

const full: Fault = { kind: "full", atMs: 100, forMs: 8_000, pages: 0 };

test("a process that dies on a full disk, and cannot start on it, loses nothing", async () => {
  for (const [name, scenario] of byName) {
    const end = await tellPlan({ seed: 2, scenario, faults: [full, { kind: "kill", atMs: 160 }, { kind: "kill", atMs: 1_200 }, { kind: "kill", atMs: 7_000 }], horizonMs: 20_000 }, join(folder.path, name));

    const hasCrashed = eventsOf(end.log, "crashed").length > 0;
    expect({ team: name, violations: end.violations, hasCrashed }).toEqual({ team: name, violations: [], hasCrashed: true });
  }
});

test("a team that is drained on a full disk closes its file and loses nothing", async () => {
  for (const [name, scenario] of byName) {
    const drain: Fault = { kind: "action", action: { id: "drain", type: "drain", atMs: 900, timeoutMs: 300, downMs: 10_000 } };
    const end = await tellPlan({ seed: 3, scenario, faults: [full, drain], horizonMs: 20_000 }, join(folder.path, name));

    const isDrainedFull = eventsOf(end.log, "drained").some(({ isFull }) => isFull);
    expect({ team: name, violations: end.violations, isDrainedFull }).toEqual({ team: name, violations: [], isDrainedFull: true });
  }
});

/** A file system of 2 MB takes the rights of an administrator; the stories above need none. */
test("a team on a small disk that is really full goes on when there is room", async (context) => {
  const refusal = tryToMount();
  context.skip(refusal !== null && !isJudged, `It needs Linux and the right to mount a file system, as root or by sudo without a password: ${refusal ?? ""}`);
  expect(refusal).toBeNull();
  for (const [, scenario] of byName) {
    const disk = join(folder.path, scenario.name);
    mkdirSync(disk);
    mountSmallDisk(disk);
    try {
      const ballast = join(disk, "ballast");
      const alarms: readonly Alarm[] = [
        { atMs: storyAtMs + 130, ring: ({ outside }) => (fillDisk(ballast), outside.note({ type: "filled" })) },
        { atMs: storyAtMs + 9_000, ring: () => rmSync(ballast) },
      ];
      const end = await tellStory({ scenario, folder: disk, seed: "small disk", alarms, isDiskFull: () => existsSync(ballast) });

      expect({ team: scenario.name, violations: end.violations }).toEqual({ team: scenario.name, violations: [] });
      expect(eventsOf(end.log, "filled")).toHaveLength(1);
    } finally {
      unmountSmallDisk(disk);
    }
  }
});
