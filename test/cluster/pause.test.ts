import { consoleNotifier, defineAgent, defineTeam, every } from "longhaul";
import { expect, test } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { clusterPlace, type ClusterTeam, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";

/** Longer than a firing of these may be late, shorter than what counts as downtime of the team. */
const pauseMs = 6_000;

test("what a pause of all workers kept from firing is made up, and not told as missed", { timeout: 90_000 }, async () => {
  const place = await clusterPlace();
  const ticker = defineAgent({ name: "ticker", run: async () => null, triggers: [every("2s")] });
  const team = defineTeam({ name: uniqueTeamName(), agents: [ticker], notify: [consoleNotifier()] });
  const run = async (): Promise<ClusterTeam> => {
    const worker = await openClusterTeam(team, { ...place, listen: { host: "127.0.0.1", port: await freePort() } });
    await worker.live.start();
    return worker;
  };
  const fired = async ({ live }: ClusterTeam): Promise<number> => (await live.tasks.list({ limit: 100 })).length;
  const first = await run();
  await expect.poll(() => fired(first), { timeout: 20_000 }).toBeGreaterThan(1);
  const before = await fired(first);
  await first.live.close();
  await sleep(systemClock, pauseMs);

  const second = await run();
  try {
    await expect.poll(() => fired(second), { timeout: 20_000 }).toBeGreaterThan(before + 1);

    const health = await second.live.records.query({ eventTypes: ["health"] });
    expect(health.map(({ record }) => record.result)).not.toContain("missed");
    expect(second.printed.join("\n")).not.toContain("missed");
  } finally {
    await second.live.close();
  }
});
