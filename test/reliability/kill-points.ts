import { rmSync } from "node:fs";
import { join } from "node:path";
import { type DiskImage, hashOfImage, isSameImage } from "./disk-image.ts";
import type { Scenario } from "./scenario.ts";
import type { Moment } from "./session.ts";
import { type Checkpoint, type StoryEnd, tellStory } from "./story.ts";

/** An instant of an undisturbed story, with what a process that dies right then leaves behind. */
export interface KillPoint extends Checkpoint {
  /** "before commit 17". */
  readonly name: string;
}

export interface Trunk {
  readonly end: StoryEnd;
  readonly points: readonly KillPoint[];
}

export interface KillReport {
  readonly team: string;
  readonly commits: number;
  readonly points: number;
  /** Different contents of the disk among them. */
  readonly disks: number;
  /** Points that differ from each other in the disk, the clock or what the outside has seen: each is a story of its own. */
  readonly branches: number;
  readonly violations: readonly string[];
}

export interface KillOptions {
  readonly scenario: Scenario;
  readonly folder: string;
  /** Every how many branches are told; the first is `offset`. Default: all. */
  readonly stride?: number;
  readonly offset?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Nobody reads more; what is broken everywhere is found out soon. */
export const violationsMax = 20;

/** Tells the story without any fault and keeps every instant at which the process could have died. */
export async function tellTrunk(scenario: Scenario, folder: string): Promise<Trunk> {
  const seen: { readonly name: string; readonly image: DiskImage; readonly seen: number; readonly atMs: number }[] = [];
  const end = await tellStory({
    scenario, folder,
    seed: scenario.name,
    onMoment(moment) {
      const image = moment.image();
      const last = seen.at(-1)?.image;
      seen.push({ name: nameOf(moment), image: last !== undefined && isSameImage(last, image) ? last : image, seen: moment.seen, atMs: moment.atMs });
      return null;
    },
  });
  return { end, points: seen.map(({ seen: count, ...point }) => ({ ...point, log: end.log.slice(0, count) })) };
}

function nameOf({ kind, commits, seen }: Moment): string {
  if (kind === "before") return `before commit ${commits + 1}`;
  return kind === "after" ? `after commit ${commits}` : `after commit ${commits} and event ${seen}`;
}

/** Lets the process die at every kill point of a team, each in a story of its own that is told to its end. */
export async function killEverywhere({ scenario, folder, stride = 1, offset = 0, onProgress = () => undefined }: KillOptions): Promise<KillReport> {
  const { end, points } = await tellTrunk(scenario, join(folder, "trunk"));
  const violations = end.violations.map((violation) => `${scenario.name}, undisturbed: ${violation}`);
  const branches = points.filter((point, index) => !points.slice(0, index).some((other) => isSamePoint(point, other)));
  const told = branches.filter((_, index) => index % stride === offset % stride);
  for (const [index, point] of told.entries()) {
    onProgress(index, told.length);
    if (violations.length >= violationsMax) break;
    const branch = join(folder, String(index));
    const ended = await tellStory({ scenario, folder: branch, seed: `${scenario.name}/${point.name}`, from: point });
    violations.push(...ended.violations.map((violation) => `${scenario.name}, killed ${point.name}: ${violation}`));
    rmSync(branch, { recursive: true, force: true });
  }
  rmSync(join(folder, "trunk"), { recursive: true, force: true });
  return { team: scenario.name, commits: end.commits, points: points.length, disks: new Set(points.map(({ image }) => hashOfImage(image))).size, branches: told.length, violations };
}

function isSamePoint(left: KillPoint, right: KillPoint): boolean {
  return left.image === right.image && left.log.length === right.log.length && left.atMs === right.atMs;
}
