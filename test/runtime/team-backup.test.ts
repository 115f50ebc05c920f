import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineAgent, defineTeam } from "longhaul";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import type { BackupSpec } from "../../src/agent/team-definition.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { runHealth } from "../../src/cli/command/health.ts";
import { seededRandom } from "../../src/base/random.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { openLiveTeam } from "../../src/runtime/live-team.ts";
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

async function open(backup: Partial<BackupSpec> | null, startAtMs?: number): Promise<DiskTeam> {
  const team = await openDiskTeam(definition(backup), { directory: join(directory.path, "data"), ...(startAtMs === undefined ? {} : { startAtMs }) });
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

it("keeps as many as it is told, the newest, and touches nothing else", { timeout: 240_000 }, async () => {
  mkdirSync(place());
  for (const name of ["t-2025-01-01T00-00-00.000Z.db", "t-2025-01-02T00-00-00.000Z.db.partial", "other-2025-01-01T00-00-00.000Z.db", "notes.txt"]) writeFileSync(join(place(), name), "");
  const team = await open({ keep: 2 });
  await until("the first backup", async () => (await backedUp(team)) === 1);
  expect(names()).toEqual([expect.stringContaining("notes"), expect.stringContaining("other-"), "t-2025-01-01T00-00-00.000Z.db", expect.stringMatching(/^t-/)]);
  for (let count = 2; count <= 3; count++) {
    await team.advance(everyMs);
    await until("another backup", async () => (await backedUp(team)) === count);
  }

  expect(names().filter((name) => name.startsWith("t-"))).toHaveLength(2);
  expect(names()).toEqual(expect.arrayContaining(["notes.txt", "other-2025-01-01T00-00-00.000Z.db"]));
  expect(names()).not.toContain("t-2025-01-01T00-00-00.000Z.db");
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
