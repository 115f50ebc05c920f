import { afterAll, beforeAll, expect, it } from "vitest";
import { findLostTasks, findPaidTwice, findUnwritten, type JournalState } from "../../examples/release-watch/demo/figures.ts";
import type { TeamProcess } from "../../examples/release-watch/demo/team-process.ts";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { type Random, seededRandom, systemRandom } from "../../src/base/random.ts";
import { openWatchedTeam, publishNext, type TeamData, waitUntil, type WatchedTeam } from "./watched-team.ts";

// The team of examples/release-watch lives through all rounds on the same data. In each round the registry has news, the team is ended at a random moment
// of the scan, started again, and runs to the end. KILL_SEED replays a seed, KILL_ROUNDS runs more rounds.

const seed = process.env["KILL_SEED"] ?? String(Math.floor(systemRandom.next() * 1e9));
const packages = ["one", "two", "three", "four", "five", "@scoped/six"];
/** One round in so many is killed a second time, while it recovers. */
const secondKillRatio = 0.25;

export interface KillPlan {
  /** Rounds of kill -9, unless KILL_ROUNDS says another number. */
  readonly rounds: number;
  /** How long it may take until a scan begins, or ends, also after the team was killed. */
  readonly scanTimeoutMs: number;
  /** Default: a data directory. */
  readonly openData?: () => Promise<TeamData>;
}

type Releases = ReturnType<typeof publishNext>;

/** The team was ended here. */
interface Ending {
  readonly atMs: number;
  readonly journal: JournalState;
  readonly inodes: ReadonlyMap<string, number>;
}

let scanTimeoutMs: number;
let team: WatchedTeam;
let running: TeamProcess;
let minor = 0;
/** From the first question to the registry to the last task's end, when nobody disturbs. */
let scanMs = 0;

/** Kills the team of examples/release-watch, again and again. One plan a file. */
export function testKillRounds(plan: KillPlan): void {
  const rounds = Number(process.env["KILL_ROUNDS"] ?? plan.rounds);
  ({ scanTimeoutMs } = plan);
  beforeAll(() => open(plan, rounds), 2 * plan.scanTimeoutMs + 30_000);
  afterAll(() => team.close());

  it(`loses nothing and pays nothing twice in ${rounds} rounds of kill -9 (KILL_SEED=${seed})`, { timeout: 60_000 + rounds * 2 * plan.scanTimeoutMs }, async () => {
    for (let round = 1; round <= rounds; round++) {
      await liveThroughKills(round);
      expect(running.hasEnded(), `round ${round}: the team ended by itself`).toBe(false);
    }
  });
  it.each([
    { moment: "with its temporary file written", isThere: (file: string) => file.endsWith(".md.tmp") },
    { moment: "just after its move", isThere: (file: string) => file.endsWith(".md") },
  ])("writes a digest once when it is killed in the middle of it, $moment", async ({ moment, isThere }) => {
    await liveThroughMoment(moment, isThere);
    expect(running.hasEnded(), `${moment}: the team ended by itself`).toBe(false);
  });
  it("loses nothing when SIGTERM drains it in mid-scan", async () => {
    await liveThroughDrain();
    expect(running.hasEnded()).toBe(false);
  });
}

async function open({ openData }: KillPlan, rounds: number): Promise<void> {
  team = await openWatchedTeam({ packages, latencyMs: 40, ...(openData === undefined ? {} : { data: await openData() }) });
  running = team.start();
  await running.said("Ctrl-C stops it");
  await finish(team.registry.latest());
  const releases = await beginScan();
  const begunMs = systemClock.monotonicMs();
  await finish(releases);
  scanMs = systemClock.monotonicMs() - begunMs;
  console.log(`KILL_SEED=${seed} KILL_ROUNDS=${rounds}; an undisturbed scan takes ${Math.round(scanMs)} ms`);
}

async function liveThroughKills(round: number): Promise<void> {
  const chance = seededRandom(seed).split(`round-${round}`);
  const delaysMs = chooseDelays(chance);
  const where = `KILL_SEED=${seed}, round ${round}, killed after ${delaysMs.map(Math.round).join(" and ")} ms`;
  const releases = await beginScan();
  const endings: Ending[] = [];
  for (const delayMs of delaysMs) {
    await sleep(systemClock, delayMs);
    endings.push(await end("SIGKILL", where));
    running = team.start();
  }
  await finish(releases, where);
  for (const ending of endings) await expectNothingLost(ending, releases, where);
}

async function liveThroughMoment(moment: string, isThere: (file: string) => boolean): Promise<void> {
  const before = team.inodes();
  const releases = await beginScan();
  const isNew = (): boolean => [...team.inodes().keys()].some((file) => !before.has(file) && isThere(file));
  await waitUntil(moment, scanTimeoutMs, isNew, () => running.lines.slice(-10).join("\n"), 1);
  const ending = await end("SIGKILL", moment);
  running = team.start();
  await finish(releases, moment);
  await expectNothingLost(ending, releases, moment);
}

async function liveThroughDrain(): Promise<void> {
  const releases = await beginScan();
  // The first analyses are under way, and more packages than analysts wait.
  const calls = team.receipts().length;
  await waitUntil("the first answer to an analyst", scanTimeoutMs, () => team.receipts().length > calls);
  const ending = await end("SIGTERM", "drain", 0);
  const analyses = [...ending.journal.tasks.values()].filter(({ agent, status }) => agent === "analyst" && status !== "done");
  expect(analyses.length, "analyses that were still to be done").toBeGreaterThan(0);
  expect(findUnwritten(ending.journal, team.receipts(), ending.atMs), "answers that were paid and not written down").toEqual([]);

  running = team.start();
  await finish(releases);
  await expectNothingLost(ending, releases, "drain");
}

/** The moments of the kills: the first in the scan, a second one while the team starts or goes on. */
function chooseDelays(chance: Random): readonly number[] {
  const first = chance.next() * scanMs;
  return chance.next() < secondKillRatio ? [first, chance.next() * (scanMs + 1_000)] : [first];
}

/** News for every package; resolves when the scan that finds them has begun. */
async function beginScan(): Promise<Releases> {
  minor += 1;
  const asked = team.registry.questionCount();
  const releases = publishNext(team.registry, minor);
  await waitUntil("a scan", scanTimeoutMs, () => team.registry.questionCount() > asked, () => running.lines.slice(-10).join("\n"));
  return releases;
}

async function end(signal: "SIGKILL" | "SIGTERM", where: string, exitCode: number | string = "SIGKILL"): Promise<Ending> {
  expect(running.hasEnded(), `${where}: the team ended by itself:\n${running.lines.slice(-10).join("\n")}`).toBe(false);
  running.signal(signal);
  const ended = await running.ended;
  expect(ended, `${where}: how it ended`).toBe(exitCode);
  return { atMs: systemClock.now(), journal: await team.journal(), inodes: team.inodes() };
}

/** Waits until every release is in a digest and nothing is left to do. */
async function finish(releases: Releases, where = ""): Promise<void> {
  const open = `SELECT id, agent, status, waiting_reason FROM lh_task WHERE status NOT IN ('done', 'dead', 'canceled') AND agent != 'scout'`;
  let missing: readonly string[] = [];
  let unfinished: readonly unknown[] = [];
  await waitUntil(
    `${where}: the end of the scan`,
    scanTimeoutMs,
    async () => {
      missing = [...team.sections(releases)].filter(([, count]) => count === 0).map(([name]) => name);
      unfinished = await team.query(open);
      return missing.length === 0 && unfinished.length === 0;
    },
    () => `Missing: ${missing.join(", ")}. Open: ${JSON.stringify(unfinished)}. The team said:\n${running.lines.slice(-20).join("\n")}`,
  );
}

async function expectNothingLost(ending: Ending, releases: Releases, where: string): Promise<void> {
  // The scans of this moment may still be under way: they end by themselves.
  await waitUntil(`${where}: the end of the tasks that were there`, scanTimeoutMs, async () => findLostTasks(ending.journal, await team.journal()).length === 0, () => running.lines.slice(-20).join("\n"));
  expect(findPaidTwice(ending.journal, team.receipts(), ending.atMs), `${where}: completed steps that were paid twice`).toEqual([]);
  expect([...team.sections(releases).values()], `${where}: sections of each release`).toEqual(packages.map(() => 1));
  const inodes = team.inodes();
  const files = [...inodes.keys()];
  expect(files.filter((file) => !file.endsWith(".md")), `${where}: files that are no digest`).toEqual([]);
  expect([...(await team.moves()).values()], `${where}: moves of each digest`).toEqual(files.map(() => 1));
  const rewritten = [...ending.inodes].filter(([file, inode]) => file.endsWith(".md") && inodes.get(file) !== inode).map(([file]) => file);
  expect(rewritten, `${where}: digests that were written again`).toEqual([]);
}
