import { consoleNotifier, defineAgent, defineTeam, every } from "longhaul";
import { expect, test } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";
import { createSwitch } from "./fixture/switch.ts";

/** Longer than the lease of the duties. */
const awayMs = 35_000;

test("a schedule that did not fire while PostgreSQL was away is not told as missed, and people are told of the database", { timeout: 150_000 }, async () => {
  const place = await clusterPlace();
  const way = await createSwitch();
  const store = new URL(place.store);
  const port = Number(store.port);
  way.leadTo(port);
  store.port = String(way.port);
  const ticker = defineAgent({ name: "ticker", run: async (ctx) => ctx.step("tick", () => 1), triggers: [every("2s")] });
  const { live, printed } = await openClusterTeam(defineTeam({ name: uniqueTeamName(), agents: [ticker], notify: [consoleNotifier()] }), { ...place, store: store.href });
  try {
    await live.start();
    await expect.poll(async () => (await live.tasks.list({ limit: 10 })).length, { timeout: 20_000 }).toBeGreaterThan(1);

    way.leadTo(1);
    await sleep(systemClock, awayMs);
    way.leadTo(port);
    await expect.poll(() => printed.join("\n"), { timeout: 30_000 }).toContain("writes its database again");
    await sleep(systemClock, 15_000);

    const told = printed.join("\n");
    expect(told).not.toContain("missed");
    expect(told).toContain("see that PostgreSQL runs");
    expect(told).not.toContain("disk");
  } finally {
    await live.close();
    await way.close();
  }
});
