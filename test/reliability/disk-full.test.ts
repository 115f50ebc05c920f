import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Fault } from "./fault-plan.ts";
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

test.each(byName)("team %s goes on where it was when its data file may grow again", { timeout: 60_000 }, async (_, scenario) => {
  for (const [atMs, pages] of [[0, 0], [50, 1], [120, 2], [250, 0]] as const) {
    const end = await tellPlan({ seed: 1, scenario, faults: [{ kind: "full", atMs, forMs: 12_000, pages }], horizonMs: 20_000 }, join(folder.path, `${atMs}`));

    expect(end.violations, `full from ${atMs} ms, but for ${pages} pages`).toEqual([]);
    expect(eventsOf(end.log, "filled")).toHaveLength(1);
  }
});

const full: Fault = { kind: "full", atMs: 100, forMs: 8_000, pages: 0 };

test("a process that dies on a full disk, and cannot start on it, loses nothing", { timeout: 60_000 }, async () => {
  for (const [name, scenario] of byName) {
    const end = await tellPlan({ seed: 2, scenario, faults: [full, { kind: "kill", atMs: 160 }, { kind: "kill", atMs: 1_200 }, { kind: "kill", atMs: 7_000 }], horizonMs: 20_000 }, join(folder.path, name));

    expect(end.violations, name).toEqual([]);
    expect(eventsOf(end.log, "crashed").length, name).toBeGreaterThan(0);
  }
});

test("a team that is drained on a full disk closes its file and loses nothing", { timeout: 60_000 }, async () => {
  for (const [name, scenario] of byName) {
    const drain: Fault = { kind: "action", action: { id: "drain", type: "drain", atMs: 900, timeoutMs: 300, downMs: 10_000 } };
    const end = await tellPlan({ seed: 3, scenario, faults: [full, drain], horizonMs: 20_000 }, join(folder.path, name));

    expect(end.violations, name).toEqual([]);
    expect(eventsOf(end.log, "drained").some(({ isFull }) => isFull), name).toBe(true);
  }
});

const isMounted = mountSmallDisk();

/** A file system of 2 MB takes the rights of an administrator; the stories above need none. */
test.runIf(isMounted)("a team on a small disk that is really full goes on when there is room", { timeout: 60_000 }, async () => {
  for (const [, scenario] of byName) {
    const disk = join(folder.path, scenario.name);
    mkdirSync(disk);
    mount(disk);
    try {
      const ballast = join(disk, "ballast");
      const alarms: readonly Alarm[] = [
        { atMs: storyAtMs + 130, ring: ({ outside }) => (fillDisk(ballast), outside.note({ type: "filled" })) },
        { atMs: storyAtMs + 9_000, ring: () => rmSync(ballast) },
      ];
      const end = await tellStory({ scenario, folder: disk, seed: "small disk", alarms, isDiskFull: () => existsSync(ballast) });

      expect(end.violations, scenario.name).toEqual([]);
      expect(eventsOf(end.log, "filled")).toHaveLength(1);
    } finally {
      execFileSync("umount", ["-l", disk]);
    }
  }
});

function mountSmallDisk(): boolean {
  const probe = storyFolder();
  try {
    mount(probe.path);
    execFileSync("umount", [probe.path]);
    return true;
  } catch {
    // Not allowed here, or no Linux.
    return false;
  } finally {
    probe.remove();
  }
}

function mount(path: string): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", path], { stdio: "ignore" });
}

/** Takes what is left of the disk. */
function fillDisk(path: string): void {
  for (let kilobytes = 1_024; kilobytes >= 1; ) {
    try {
      writeFileSync(path, Buffer.alloc(kilobytes * 1_024), { flag: "a" });
    } catch {
      // So much does not fit any more: less may.
      kilobytes /= 2;
    }
  }
}
