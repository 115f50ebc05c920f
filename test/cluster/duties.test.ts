import { afterEach, beforeEach, expect, test } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import type { ClusterPlace } from "../../src/runtime/cluster-place.ts";
import type { LiveTeam } from "../../src/runtime/live-team.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";
import { createBalancer } from "./fixture/balancer.ts";
import { startTeamProcess } from "./fixture/team-process.ts";
import { timedTeam } from "./fixture/timed-team.ts";

/** The first test of a process starts Restate and PostgreSQL. */
const serversMsMax = 60_000;

let place: ClusterPlace;
let db: PostgresDatabase;
const opened = new Set<LiveTeam>();
beforeEach(async () => {
  place = await clusterPlace();
  db = await PostgresDatabase.open({ url: place.store, clock: systemClock, random: systemRandom });
}, serversMsMax);
afterEach(async () => {
  for (const live of opened) await close(live);
  await db.close();
}, serversMsMax);

/** Another worker of the team, at a port of its own. */
async function join(team: unknown): Promise<LiveTeam> {
  const { live } = await openClusterTeam(team, { ...place, listen: { host: "127.0.0.1", port: await freePort() } });
  opened.add(live);
  await live.start();
  return live;
}

async function close(live: LiveTeam): Promise<void> {
  opened.delete(live);
  await live.close();
}

/** What one process does for all is another's within this. */
const takeOverMsMax = 20_000;

async function until(what: string, isSo: () => Promise<boolean>, withinMs = 15_000): Promise<void> {
  const untilMs = systemClock.monotonicMs() + withinMs;
  while (!(await isSo())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`It did not come to be that ${what}.`);
    await sleep(systemClock, 25);
  }
}

async function lease(): Promise<{ readonly epoch: number; readonly holder: string }> {
  const row = await db.get("SELECT epoch, holder FROM lh_lease");
  return { epoch: Number(row?.["epoch"] ?? 0), holder: String(row?.["holder"] ?? "") };
}

async function count(sql: string): Promise<number> {
  return Number((await db.get(`SELECT count(*) AS n FROM ${sql}`))?.["n"]);
}

test("of three workers one fires the schedules; when it stops another one goes on at once", { timeout: 60_000 }, async () => {
  const team = timedTeam(uniqueTeamName());
  const first = await join(team);
  await until("the first one has the duties", async () => (await lease()).epoch === 1);
  await join(team);
  await join(team);
  await until("it has fired", async () => (await count("lh_record WHERE event_type = 'trigger' AND result = 'ran'")) >= 3);
  expect((await lease()).epoch).toBe(1);

  const closed = close(first);
  await until("it gives them back", async () => (await lease()).epoch >= 2);
  const sinceMs = systemClock.monotonicMs();
  await until("another one has the duties", async () => (await lease()).epoch >= 3 && (await lease()).holder !== "");
  const tookMs = systemClock.monotonicMs() - sinceMs;
  await closed;
  const fired = await count("lh_record WHERE event_type = 'trigger' AND result = 'ran'");
  await until("it fires", async () => (await count("lh_record WHERE event_type = 'trigger' AND result = 'ran'")) > fired);

  expect(tookMs).toBeLessThan(3_000);
  expect(await count("(SELECT data::json ->> 'dueAtMs' FROM lh_record WHERE event_type = 'trigger' AND result = 'ran' GROUP BY 1 HAVING count(*) > 1) AS twice WHERE true")).toBe(0);
});

test("a holder that was replaced writes nothing more for its duties, ends them, and begins again when it may", { timeout: 60_000 }, async () => {
  const team = timedTeam(uniqueTeamName());
  await join(team);
  await until("it fires", async () => (await count("lh_task")) >= 2);

  await db.run("UPDATE lh_lease SET epoch = epoch + 1, holder = 'another', expires_at = clock_timestamp() + interval '1 h'");
  const state = (await db.get("SELECT state FROM lh_trigger"))?.["state"];
  const tasks = await count("lh_task");
  await sleep(systemClock, 3_000);

  expect((await db.get("SELECT state FROM lh_trigger"))?.["state"]).toBe(state);
  expect(await count("lh_task")).toBe(tasks);
  await db.run("UPDATE lh_lease SET expires_at = clock_timestamp()");
  await until("it has the duties again", async () => (await lease()).epoch >= 3);
  await until("it fires again", async () => (await count("lh_task")) > tasks);
});

test("a holder that is killed is replaced within 20 s: another worker has the duties and fires", { timeout: 90_000 }, async () => {
  const ports = [await freePort(), await freePort()] as const;
  const lane = await createBalancer({ targets: ports, health: "speaks" });
  const at = (port: number): ClusterPlace => ({ ...place, listen: { host: "127.0.0.1", port }, uri: `http://127.0.0.1:${lane.port}` });
  const name = uniqueTeamName();
  const holder = await startTeamProcess(name, at(ports[0]));
  try {
    await until("the process has the duties", async () => (await lease()).epoch === 1);
    const { live } = await openClusterTeam(timedTeam(name), at(ports[1]));
    opened.add(live);
    await live.start();
    await until("it fires", async () => (await count("lh_task")) >= 2);

    const killedAtMs = systemClock.now();
    await holder.kill();
    await until("the other one has the duties", async () => (await lease()).epoch > 1, 2 * takeOverMsMax);
    const tookMs = systemClock.now() - killedAtMs;
    const dueSince = `lh_record WHERE event_type = 'trigger' AND result = 'ran' AND (data::json ->> 'dueAtMs')::bigint > ${killedAtMs}`;
    await until("the other one fires", async () => (await count(dueSince)) > 0, takeOverMsMax);

    expect(tookMs).toBeLessThan(takeOverMsMax);
  } finally {
    await holder.kill();
    await lane.close();
  }
});
