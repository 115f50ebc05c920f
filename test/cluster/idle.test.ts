import { defineAgent, defineTeam } from "longhaul";
import { afterEach, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { freePort } from "../../src/engine/restate/fixture/restate-server.ts";
import type { LiveTeam } from "../../src/runtime/live-team.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";

const opened: LiveTeam[] = [];
afterEach(async () => {
  for (const live of opened.splice(0)) await live.close();
});

/** As docs/guide/cluster.md says it, of the worker that has the duties and of another one. */
const statementsPerMinuteMax = 80 + 20;
const watchedMs = 30_000;
/** PostgreSQL counts what a connection did when it has been at rest for so long. */
const countedAfterMs = 11_000;

/** How many transactions a database has seen; a statement by itself is one. */
async function countTransactions(database: string): Promise<number> {
  const [row] = await (await sharedPostgres()).query(`SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = '${database}'`);
  return Number(row?.["n"]);
}

it("two workers that have nothing to do ask PostgreSQL little", { timeout: 120_000 }, async () => {
  const place = await clusterPlace();
  const team = defineTeam({ name: uniqueTeamName(), agents: [defineAgent({ name: "idle", run: async (ctx) => ctx.step("look", () => 1) })] });
  for (let worker = 0; worker < 2; worker++) {
    const { live } = await openClusterTeam(team, { ...place, listen: { host: "127.0.0.1", port: await freePort() } });
    opened.push(live);
    await live.start();
  }
  const database = new URL(place.store).pathname.slice(1);
  // What they did to begin is counted by then.
  await sleep(systemClock, countedAfterMs);

  const before = await countTransactions(database);
  await sleep(systemClock, watchedMs);
  const perMinute = ((await countTransactions(database)) - before) * (60_000 / watchedMs);

  // Whoever has the duties renews its lease and sweeps, every 5 s: that it does is seen.
  expect(perMinute).toBeGreaterThan(20);
  expect(perMinute).toBeLessThanOrEqual(statementsPerMinuteMax);
});
