import { defineAgent, defineTeam } from "longhaul";
import { Client } from "pg";
import { afterEach, expect, it, vi } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import type { LiveTeam } from "../../src/runtime/live-team.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";

const opened: LiveTeam[] = [];
afterEach(async () => {
  for (const live of opened.splice(0)) await live.close();
});

/** As docs/guide/cluster.md says it, of the worker that has the duties and of another one. */
const statementsPerMinuteMax = 80 + 20;
const watchedMs = 30_000;
/** What they do to begin is over by then. */
const begunAfterMs = 11_000;

it("two workers that have nothing to do ask PostgreSQL little", { timeout: 120_000 }, async () => {
  const place = await clusterPlace();
  const team = defineTeam({ name: uniqueTeamName(), agents: [defineAgent({ name: "idle", run: async (ctx) => ctx.step("look", () => 1) })] });
  for (let worker = 0; worker < 2; worker++) {
    const { live } = await openClusterTeam(team, { ...place, listen: { host: "127.0.0.1", port: await freePort() } });
    opened.push(live);
    await live.start();
  }
  await sleep(systemClock, begunAfterMs);

  // Both are in this process, and so is all that they send; BEGIN and COMMIT count.
  const sent = vi.spyOn(Client.prototype, "query");
  await sleep(systemClock, watchedMs);
  const perMinute = sent.mock.calls.length * (60_000 / watchedMs);
  sent.mockRestore();

  // Whoever has the duties renews its lease and sweeps, every 5 s: that it does is seen.
  expect(perMinute).toBeGreaterThan(20);
  expect(perMinute).toBeLessThanOrEqual(statementsPerMinuteMax);
});
