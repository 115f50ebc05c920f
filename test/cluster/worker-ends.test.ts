import { consoleNotifier, defineAgent, defineTeam } from "longhaul";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import type { WorkerEnd } from "../../src/record/worker-end.ts";
import type { ClusterPlace } from "../../src/runtime/cluster-place.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName, type ClusterTeam } from "../fixture/cluster-team.ts";

/** The first test of a process starts Restate and PostgreSQL. */
const serversMsMax = 60_000;

let place: ClusterPlace;
let db: PostgresDatabase;
let name: string;
const opened: ClusterTeam[] = [];
beforeEach(async () => {
  place = await clusterPlace();
  db = await PostgresDatabase.open({ url: place.store, clock: systemClock, random: systemRandom });
  name = uniqueTeamName();
}, serversMsMax);
afterEach(async () => {
  for (const { live } of opened.splice(0)) await live.close();
  await db.close();
}, serversMsMax);

/** Another worker of the team, as a supervisor starts it. */
async function join(workersBefore: readonly WorkerEnd[] = []): Promise<ClusterTeam> {
  const idle = defineAgent({ name: "idle", run: async () => null });
  const team = defineTeam({ name, agents: [idle], notify: [consoleNotifier()] });
  const worker = await openClusterTeam(team, { ...place, listen: { host: "127.0.0.1", port: await freePort() } }, { workersBefore });
  opened.push(worker);
  await worker.live.start();
  return worker;
}

/** The worker that has the duties. */
async function joinFirst(): Promise<ClusterTeam> {
  const first = await join();
  await expect.poll(async () => (await db.get("SELECT holder FROM lh_lease"))?.["holder"], { timeout: 15_000 }).toBe(first.live.worker);
  return first;
}

async function queued(): Promise<readonly unknown[]> {
  return await db.all("SELECT notification::json ->> 'severity' AS severity, notification::json ->> 'title' AS title FROM lh_outbox");
}

const told = ({ printed }: ClusterTeam, text: string): number => printed.filter((line) => line.includes(text)).length;

test("people are told once of the crash of a worker that has not the duties, as soon as it works again", async () => {
  const first = await joinFirst();
  const killed: WorkerEnd = { how: "killed", pid: 77, atMs: systemClock.now(), reason: "was killed by SIGKILL", crashes: 1, news: "first", skipped: 0 };

  await join([killed]);
  expect(await queued()).toEqual([{ severity: "warning", title: `The worker of ${name} was killed by SIGKILL` }]);
  await expect.poll(() => told(first, "was killed by SIGKILL")).toBe(1);
  // It was killed before it knew that this is written.
  const again = await join([killed]);
  await first.live.close();
  opened.shift();
  await expect.poll(async () => (await db.get("SELECT holder FROM lh_lease"))?.["holder"], { timeout: 15_000 }).not.toBe("");

  expect(await queued()).toHaveLength(1);
  expect([told(first, "was killed by SIGKILL"), told(again, "was killed by SIGKILL")]).toEqual([1, 0]);
});

test("people are told of a worker that stops for want of its supervisor, by whoever has the duties", async () => {
  const first = await joinFirst();
  const second = await join();

  await second.live.tellEnding("its supervisor is gone");
  await expect.poll(() => told(first, "A worker of")).toBe(1);
  await first.live.tellEnding("its own supervisor is gone");
  await first.live.drain(0);

  expect(first.printed.filter((line) => line.includes("supervisor is gone"))).toEqual([
    expect.stringContaining(`A worker of ${name} stops: its supervisor is gone`),
    expect.stringContaining(`A worker of ${name} stops: its own supervisor is gone`),
  ]);
});
