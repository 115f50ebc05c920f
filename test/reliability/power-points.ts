import { rmSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../src/base/random.ts";
import { type DiskImage, writeImage } from "./disk-image.ts";
import { readAfterCrash } from "./file-state.ts";
import { violationsMax } from "./kill-points.ts";
import { listPowerCuts } from "./power-cut.ts";
import type { Scenario } from "./scenario.ts";
import type { Moment } from "./session.ts";
import { type Checkpoint, type StoryEnd, tellStory } from "./story.ts";
import type { WorldEvent } from "./world.ts";

export interface PowerReport {
  readonly team: string;
  readonly commits: number;
  /** Commits during or after which the log was worked off into the data file. */
  readonly checkpoints: number;
  readonly cuts: number;
  /** Different contents to which they were recovered. */
  readonly disks: number;
  /** Different contents at different instants to which the cuts were recovered: each is a story of its own. */
  readonly branches: number;
  readonly violations: readonly string[];
}

export interface PowerOptions {
  readonly scenario: Scenario;
  readonly folder: string;
  /** Every how many commits the power is cut; the first is `offset`. Default: all. */
  readonly stride?: number;
  readonly offset?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** One COMMIT of the trunk. */
interface Commit {
  readonly number: number;
  readonly atMs: number;
  readonly seen: number;
  readonly synced: DiskImage;
  readonly before: DiskImage;
  readonly after: DiskImage;
}

/** How SQLite calls a COMMIT that waits until the log is on the disk. */
const synchronousFull = 2;

/** Cuts the power during every commit of a team, recovers each disk, and tells a story to its end from every content that comes of it. */
export async function cutPowerEverywhere({ scenario, folder, stride = 1, offset = 0, onProgress = () => undefined }: PowerOptions): Promise<PowerReport> {
  const { end, commits } = await tellCommits(scenario, join(folder, "trunk"));
  const violations = end.violations.map((violation) => `${scenario.name}, undisturbed: ${violation}`);
  const chosen = commits.filter((_, index) => index % stride === offset % stride);
  const counts = { cuts: 0, branches: 0 };
  const disks = new Set<string>();
  for (const [index, commit] of chosen.entries()) {
    onProgress(index, chosen.length);
    if (violations.length >= violationsMax) break;
    const found = await cutPowerDuring(commit, { scenario, folder, log: end.log });
    counts.cuts += found.cuts;
    counts.branches += found.contents.length;
    for (const content of found.contents) disks.add(content);
    violations.push(...found.violations.map((violation) => `${scenario.name}, power cut during commit ${commit.number} ${violation}`));
  }
  rmSync(join(folder, "trunk"), { recursive: true, force: true });
  return { team: scenario.name, commits: commits.length, checkpoints: commits.filter(({ before, after }) => !before.db.equals(after.db)).length, ...counts, disks: disks.size, violations };
}

async function tellCommits(scenario: Scenario, folder: string): Promise<{ readonly end: StoryEnd; readonly commits: readonly Commit[] }> {
  const commits: Commit[] = [];
  let begun: Omit<Commit, "after"> | null = null;
  let synced: DiskImage | null = null;
  let connection: Moment["db"] = null;
  const note = ({ kind, commits: count, atMs, seen, db, image: read }: Moment): null => {
    if (kind === "before") {
      const before = read();
      // Before the first commit of a life of the process the file was closed, or made: all of it is synced.
      if (synced === null || db !== connection) synced = before;
      connection = db;
      begun = { number: count + 1, atMs, seen, synced, before };
    } else if (kind === "after" && begun !== null) {
      const after = read();
      commits.push({ ...begun, after });
      const isSynced = Number(db?.get("PRAGMA synchronous")?.["synchronous"]) >= synchronousFull || !begun.before.db.equals(after.db);
      if (isSynced) synced = after;
      begun = null;
    }
    return null;
  };
  const end = await tellStory({ scenario, folder, seed: scenario.name, onMoment: note });
  return { end, commits };
}

async function cutPowerDuring(commit: Commit, { scenario, folder, log }: { readonly scenario: Scenario; readonly folder: string; readonly log: readonly WorldEvent[] }): Promise<Pick<PowerReport, "cuts" | "violations"> & { readonly contents: readonly string[] }> {
  const recover = ({ image }: { readonly image: DiskImage }): string => {
    const directory = join(folder, "recovered");
    rmSync(directory, { recursive: true, force: true });
    writeImage(directory, image);
    const { digest, problems } = readAfterCrash(directory);
    return problems.length === 0 ? digest : problems.join("; ");
  };
  const expected = [recover({ image: commit.before }), recover({ image: commit.after })];
  const violations: string[] = [];
  const contents = new Map<string, DiskImage>();
  const cuts = listPowerCuts(commit, seededRandom(`${scenario.name}/${commit.number}`));
  for (const cut of cuts) {
    const content = recover(cut);
    if (!expected.includes(content)) violations.push(`(${cut.name}): the disk holds neither what it held before nor what was committed: ${content}`);
    if (!contents.has(content)) contents.set(content, cut.image);
  }
  for (const image of contents.values()) {
    const from: Checkpoint = { image, log: log.slice(0, commit.seen), atMs: commit.atMs };
    const branch = join(folder, "branch");
    const told = await tellStory({ scenario, folder: branch, seed: `${scenario.name}/cut`, from });
    violations.push(...told.violations.map((violation) => `: ${violation}`));
    rmSync(branch, { recursive: true, force: true });
  }
  rmSync(join(folder, "recovered"), { recursive: true, force: true });
  return { cuts: cuts.length, contents: [...contents.keys()], violations };
}
