import { cpSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { defineAgent, defineTeam } from "longhaul";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import type { BackupSpec } from "../../src/agent/team-definition.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { runBackup } from "../../src/cli/command/backup.ts";
import { runHealth } from "../../src/cli/command/health.ts";
import { seededRandom } from "../../src/base/random.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { openLiveTeam } from "../../src/runtime/live-team.ts";
import { backUpData } from "../../src/runtime/data-backup.ts";
import { readBackupLog } from "../../src/runtime/backup-log.ts";
import { readCommand } from "../fixture/command.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

const minuteMs = 60_000;
const everyMs = 2 * minuteMs;
let directory: ReturnType<typeof temporaryDirectory>;
let teams: DiskTeam[];
beforeEach(() => {
  directory = temporaryDirectory();
  teams = [];
});
afterEach(async () => {
  for (const team of teams) await team.close();
  directory.remove();
});

const place = (): string => join(directory.path, "backups");
const names = (): readonly string[] => (statSync(place(), { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(place()).toSorted() : []);
const definition = (backup: Partial<BackupSpec> | null) => defineTeam({ name: "t", agents: [defineAgent({ name: "a", run: async () => null })], ...(backup === null ? {} : { backup: { to: place(), every: "2m", ...backup } }) });

async function open(backup: Partial<BackupSpec> | null, startAtMs?: number, data = "data"): Promise<DiskTeam> {
  const team = await openDiskTeam(definition(backup), { directory: join(directory.path, data), ...(startAtMs === undefined ? {} : { startAtMs }) });
  teams.push(team);
  await team.advance(1);
  return team;
}

async function stop(team: DiskTeam): Promise<void> {
  teams.splice(teams.indexOf(team), 1);
  await team.close();
}

/** Time stands still for the team meanwhile: copies are made by processes in real time. */
async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = systemClock.monotonicMs() + 60_000;
  while (!(await look())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`${what}: not within a minute; there is ${names().join(", ")}`);
    await sleep(systemClock, 20);
  }
}

const backedUp = async (team: DiskTeam): Promise<number> => (await team.records({ eventTypes: ["control"] })).filter(({ result }) => result === "backed-up").length;

it("is made at the start and on the interval, over restarts too, and holds what was done", { timeout: 240_000 }, async () => {
  const team = await open({});
  await until("the first backup", async () => (await backedUp(team)) === 1);
  const taskId = await team.submit("a", null);
  await team.result(taskId);
  await team.advance(everyMs - 1_000);
  expect(names()).toHaveLength(1);

  await team.advance(1_000);
  await until("the second backup", async () => (await backedUp(team)) === 2);
  const copy = SqliteDatabase.openReadOnly(join(place(), names()[1] ?? ""));
  expect(copy.get("SELECT status FROM lh_task")).toEqual({ status: "done" });
  copy.close();
  await stop(team);

  const again = await open({}, team.clock.now() + minuteMs);
  await again.advance(minuteMs - 2_000);
  expect(names()).toHaveLength(2);
  await again.advance(2_000);
  await until("the third backup", async () => (await backedUp(again)) === 3);
  expect(readBackupLog(join(directory.path, "data"))).toMatchObject({ everyMs, failing: null, last: { path: join(place(), names()[2] ?? "") } });
});

/** Lets a team make so many, one after the other, after those that its data knows already. Returns their names, oldest first. */
async function makeBackups(team: DiskTeam, count: number, already = 0): Promise<readonly string[]> {
  const made: string[] = [];
  while (made.length < count) {
    await until("a backup", async () => (await backedUp(team)) > already + made.length);
    made.push(basename(readBackupLog(team.directory).last?.path ?? ""));
    if (made.length < count) await team.advance(everyMs);
  }
  return made;
}

it("keeps as many as it is told, the newest, and touches nothing that it did not make", { timeout: 240_000 }, async () => {
  mkdirSync(place());
  const others = ["notes.txt", "other-2025-01-01T00-00-00.000Z.db", "t-2025-01-01T00-00-00.000Z.db", "t-2025-01-02T00-00-00.000Z.db.partial"];
  for (const name of others) writeFileSync(join(place(), name), "");

  const made = await makeBackups(await open({ keep: 2 }), 3);

  await until("the first one is removed", () => names().length === others.length + 2);
  expect(names()).toEqual([...others, ...made.slice(1)].toSorted());
});

it("keeps the backups of another team of its name, which has the same directory, and those that were made by hand", { timeout: 240_000 }, async () => {
  const [production, staging] = [await open({ keep: 3 }), await open({ keep: 1 }, Date.UTC(2027, 0, 1), "staging")];
  const theirs = await makeBackups(production, 3);
  const byHand = basename((await backUpData({ from: join(staging.directory, "longhaul.db"), to: place(), clock: new VirtualClock(Date.UTC(2026, 5, 1)) })).path);

  const ours = await makeBackups(staging, 2);

  await until("the first of ours is removed", () => !names().includes(ours[0] ?? ""));
  expect(names()).toEqual([...theirs, byHand, ...ours.slice(1)].toSorted());
});

it("keeps what it made last when the clock was ahead before, and forgets in the order in which they were made", { timeout: 240_000 }, async () => {
  const ahead = await open({ keep: 2 }, Date.UTC(2027, 0, 1));
  const early = await makeBackups(ahead, 2);
  await stop(ahead);
  const team = await open({ keep: 2 }, Date.UTC(2026, 0, 1));
  await team.advance(everyMs);

  const [first, second] = await makeBackups(team, 2, 2);

  await until("two are left", () => names().length === 2);
  expect(names()).toEqual([first, second]);
  expect(names()).not.toContain(early[1]);
});

it("removes what a process of before it left half made when it was killed", { timeout: 240_000 }, async () => {
  const data = join(directory.path, "data");
  const team = await openDiskTeam(definition({}), { directory: data });
  teams.push(team);
  const advancing = team.advance(1);
  await until("a copy is under way", () => names().some((name) => name.endsWith(".partial")));
  const left = names().find((name) => name.endsWith(".partial")) ?? "";
  cpSync(data, join(directory.path, "killed"), { recursive: true });
  await advancing;
  await stop(team);
  for (const name of names()) rmSync(join(place(), name));
  writeFileSync(join(place(), left), "half");

  const again = await open({}, team.clock.now() + minuteMs, "killed");
  const made = await makeBackups(again, 1);

  await until("what was left is removed", () => names().length === 1);
  expect(names()).toEqual(made);
});

it("makes and removes backups where what it notes of them cannot be written, and says so", { timeout: 240_000 }, async () => {
  mkdirSync(join(directory.path, "data", "backups.json"), { recursive: true });
  const team = await open({ keep: 1 });
  for (let count = 1; count <= 3; count++) {
    await until("a backup", async () => (await backedUp(team)) === count);
    if (count < 3) await team.advance(everyMs);
  }

  expect(names()).toHaveLength(1);
  expect((await team.records({ eventTypes: ["error"] })).map(({ reason }) => reason)).toContainEqual(expect.stringMatching(/^backup: .*backups\.json/));
  await team.advance(1_000);
  expect(team.printed.filter((line) => line.includes("cannot make its backup"))).toEqual([]);
  expect(team.printed.filter((line) => line.includes("t made its backup, but"))).toHaveLength(1);
  expect(await readCommand((context) => runBackup(context, join(directory.path, "by-hand.db"), { isForced: false }), { data: team.directory, clock: team.clock })).toMatch(/made and checked.*\n[^]*backups\.json/);
});

it("tells people once that it fails and once that it works again, and shows both in health", { timeout: 240_000 }, async () => {
  writeFileSync(place(), "a file in the place of the directory");
  const data = join(directory.path, "data");
  const team = await open({});
  await until("the failure is noted", () => readBackupLog(data).failing !== null);
  await team.advance(everyMs + 1_000);
  await until("it was tried again", async () => (await team.records({ eventTypes: ["error"] })).length >= 2);

  expect(team.printed.filter((line) => line.includes("t cannot make its backup"))).toHaveLength(1);
  const bad = JSON.parse(await readCommand(runHealth, { data, clock: team.clock, isJson: true })) as { readonly isBad: boolean; readonly backup: { readonly status: string } };
  expect(bad).toMatchObject({ isBad: true, backup: { status: "fail" } });
  rmSync(place());
  await team.advance(everyMs + 1_000);
  await until("it works", async () => (await backedUp(team)) === 1);
  await team.advance(minuteMs);
  expect(team.printed.filter((line) => line.includes("t makes its backups again"))).toHaveLength(1);
  expect(await readCommand(runHealth, { data, clock: team.clock })).toMatch(/Backup: \d+ .* old, recovery point /);
});

it("does not hold up a stop, and leaves nothing half made; without the option nothing is made, and nobody misses it", { timeout: 240_000 }, async () => {
  const data = join(directory.path, "data");
  const team = await open({});
  await stop(team);
  expect(names().filter((name) => name.endsWith(".partial"))).toEqual([]);

  const without = await open(null, team.clock.now() + 10 * minuteMs);
  await without.advance(10 * minuteMs);
  expect(await backedUp(without)).toBe(0);
  expect(readBackupLog(data).everyMs).toBeNull();
});

it.each([
  [{ to: "" }, "backup.to"], [{ every: "30s" as const }, "backup.every"], [{ every: "8d" as const }, "backup.every"], [{ keep: 0 }, "backup.keep"], [{ keep: 10_001 }, "backup.keep"], [{ keeps: 1 }, "backup.keeps"],
])("is refused with %j", async (backup: object, named: string) => {
  await expect(open(backup)).rejects.toMatchObject({ code: "TEAM_INVALID", message: expect.stringContaining(named) as string });
});

it("is refused of a team on a cluster, which has no data directory to copy", async () => {
  const cluster = { store: "postgres://127.0.0.1:9/none", restate: { ingress: "http://127.0.0.1:9", admin: "http://127.0.0.1:9" }, listen: { host: "127.0.0.1", port: 9 } };
  const opened = openLiveTeam({ team: definition({}), dataDirectory: null, cluster, clock: systemClock, random: seededRandom(1), environment: () => undefined, print: () => undefined });

  await expect(opened).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("PostgreSQL's own tools") as string });
});

it("is left out where no processes are started", async () => {
  const clock = new VirtualClock();
  const live = await openLiveTeam({ team: definition({}), dataDirectory: join(directory.path, "data"), clock, random: seededRandom(1), environment: () => undefined, print: () => undefined, makesBackups: false });
  await live.start();
  await clock.advance(5 * minuteMs);
  await live.close();

  expect(names()).toEqual([]);
  expect(readBackupLog(join(directory.path, "data"))).toEqual({ last: null, failing: null, everyMs: null });
});
