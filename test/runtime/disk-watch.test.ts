import { join } from "node:path";
import { consoleNotifier, defineAgent, defineTeam } from "longhaul";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { computeDiskStop } from "../../src/policy/retention.ts";
import { runHealth } from "../../src/cli/command/health.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import type { WorkerEnd } from "../../src/record/worker-end.ts";
import { readCommand } from "../fixture/command.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

const hourMs = 3_600_000;

let directory: ReturnType<typeof temporaryDirectory>;
let team: DiskTeam;
let used: number | null;
let looks: number;
beforeEach(async () => {
  directory = temporaryDirectory();
  used = 0.5;
  looks = 0;
  team = await open();
});
afterEach(async () => {
  await team.close();
  directory.remove();
});

const steps = defineAgent({
  name: "steps", limits: { concurrency: 10 },
  run: async (ctx) => {
    await ctx.step("one", () => 1);
    return await ctx.step("two", () => 2);
  },
});
const patient = defineAgent({ name: "patient", limits: { concurrency: 10, deadline: "90d" }, expect: { progressWithin: "90d" }, run: async (ctx) => ctx.waitFor("go") });
let finish = (): void => {};
const slow = defineAgent({ name: "slow", expect: { progressWithin: "90d" }, run: async (ctx) => ctx.step("slow", () => new Promise<string>((resolve) => (finish = () => resolve("finished")))) });

function open(seed = 1, startAtMs?: number, workersBefore: readonly WorkerEnd[] = []): Promise<DiskTeam> {
  return openDiskTeam(defineTeam({ name: "t", agents: [steps, patient, slow], notify: [consoleNotifier()], retention: { journals: "1h" } }), {
    directory: join(directory.path, "data"), leaseMs: 24 * 365 * hourMs, seed, workersBefore, ...(startAtMs === undefined ? {} : { startAtMs }), diskUsedRatio: () => (looks++, used),
  });
}

/** Fills the disk so far; a commit shows it. */
async function fill(to: number | null): Promise<void> {
  used = to;
  await team.advance(10_000);
  await team.submit("patient", null);
  await team.advance(1_000);
}

const health = (isJson = false): Promise<string> => readCommand(runHealth, { data: join(directory.path, "data"), clock: team.clock, isJson });

const journalRows = (): number => {
  const db = SqliteDatabase.openReadOnly(join(directory.path, "data", "longhaul.db"));
  const row = db.allOnce("SELECT count(*) AS n FROM lh_journal")[0];
  db.close();
  return Number(row?.["n"]);
};

describe("a disk that fills up", () => {
  it("keeps tasks from beginning at 90 %, says so, and lets them begin again at 88 % and not before", async () => {
    await fill(0.91);
    const taskId = await team.submit("steps", null);
    await team.advance(60_000);
    expect(await team.task(taskId)).toMatchObject({ status: "queued" });
    expect(team.live.isReady()).toBe(false);
    expect(team.printed.join("\n")).toMatch(/\[critical\] t: t begins no task: its disk is nearly full/);
    expect(await health()).toContain("No task begins: the disk of the data directory is 91 % full. Next: make room on it. Tasks begin again by themselves at 88 %.");
    expect(JSON.parse(await health(true))).toMatchObject({ isBad: true, diskStop: { usedRatio: 0.91 } });

    used = 0.89;
    await team.advance(60_000);
    expect(await team.task(taskId)).toMatchObject({ status: "queued" });

    used = 0.88;
    expect(await team.result(taskId)).toMatchObject({ status: "done" });
    await team.advance(60_000);
    expect(team.live.isReady()).toBe(true);
    expect(team.printed.join("\n")).toMatch(/t begins tasks again/);
    expect((await team.records({ eventTypes: ["control"] })).map(({ result }) => result)).toEqual(["dispatch-stopped", "dispatch-resumed"]);
    expect(JSON.parse(await health(true))).toMatchObject({ diskStop: null });
  });

  it("lets what executes finish, and runs that waited wait on", async () => {
    const [executing, waiting] = [await team.submit("slow", null), await team.submit("patient", null)];
    await team.settle();
    await fill(0.95);
    await team.live.operations.signal((await team.task(waiting)).runId ?? "", "go", null);
    finish();
    await team.advance(60_000);

    expect(await team.task(executing)).toMatchObject({ status: "done" });
    expect(await team.task(waiting)).toMatchObject({ status: "queued" });
    used = 0.5;
    expect(await team.result(waiting)).toMatchObject({ status: "done" });
  });

  it("goes on forgetting meanwhile", async () => {
    await team.result(await team.submit("steps", null));
    await fill(0.95);
    expect(journalRows()).toBeGreaterThan(0);

    await team.advance(3 * hourMs);

    expect(journalRows()).toBe(0);
  });

  it("is known to the next process before it executes anything, and told once", async () => {
    const executing = await team.submit("patient", null);
    await team.settle();
    await fill(0.95);
    await team.live.operations.signal((await team.task(executing)).runId ?? "", "go", null);
    await team.close();
    team = await open(2, team.clock.now() + 1);
    await team.advance(60_000);

    expect(await team.task(executing)).toMatchObject({ status: "queued" });
    expect((await team.records({ eventTypes: ["control"] })).map(({ result }) => result)).toEqual(["dispatch-stopped"]);
    used = 0.5;
    expect(await team.result(executing)).toMatchObject({ status: "done" });
  });

  it("that has some room again, but not enough to go on, is known to the next process before it executes anything", async () => {
    await fill(0.95);
    const queued = await team.submit("steps", null);
    await team.close();
    used = 0.89;
    const atMs = team.clock.now() + 1;
    team = await open(2, atMs, [{ how: "killed", pid: 1, atMs, reason: "was killed by SIGKILL", crashes: 1, news: "first", skipped: 0 }]);
    await team.advance(60_000);

    expect(await team.task(queued)).toMatchObject({ status: "queued" });
    expect((await team.records({ eventTypes: ["control"] })).map(({ result }) => result)).toEqual(["dispatch-stopped"]);
    used = 0.88;
    expect(await team.result(queued)).toMatchObject({ status: "done" });
  });

  it("is not looked at while nothing is written, and is no matter where nobody knows how full it is", async () => {
    await fill(null);
    expect(await team.result(await team.submit("steps", null))).toMatchObject({ status: "done" });
    await team.advance(60_000);
    const before = looks;
    await team.advance(0.9 * hourMs);
    expect(looks).toBe(before);
  });
});

it("decides by two limits, so that it does not go back and forth", () => {
  let isStopped = false;
  const seen = [0.1, 0.899, 0.9, 0.899, 0.881, 0.88, 0.899, 1].map((ratio) => (isStopped = computeDiskStop(isStopped, ratio)));

  expect(seen).toEqual([false, false, true, true, true, false, false, true]);
});
