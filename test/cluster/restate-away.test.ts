import { consoleNotifier, defineAgent, defineTeam } from "longhaul";
import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { clusterPlace, type ClusterTeam, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";
import { createSwitch } from "./fixture/switch.ts";

const told = (...workers: readonly ClusterTeam[]): readonly string[] => workers.flatMap(({ printed }) => printed.filter((line) => /\[(critical|resolved)\]/.test(line)));

test("while no worker reaches Restate health is bad, and people are told once by whoever has the duties, also when it is back", { timeout: 150_000 }, async () => {
  const place = await clusterPlace();
  const db = await PostgresDatabase.open({ url: place.store, clock: systemClock, random: systemRandom });
  const way = await createSwitch();
  const port = Number(new URL(place.restate.ingress).port);
  way.leadTo(port);
  const ingress = `http://127.0.0.1:${way.port}`;
  const name = uniqueTeamName();
  const idle = defineAgent({ name: "idle", run: async () => null });
  const open: ClusterTeam[] = [];
  const join = async (): Promise<ClusterTeam> => {
    const worker = await openClusterTeam(defineTeam({ name, agents: [idle], notify: [consoleNotifier()] }), { ...place, restate: { ...place.restate, ingress }, listen: { host: "127.0.0.1", port: await freePort() } });
    open.push(worker);
    await worker.live.start();
    return worker;
  };
  const holder = async (): Promise<unknown> => (await db.get("SELECT holder FROM lh_lease"))?.["holder"];
  try {
    const first = await join();
    await expect.poll(holder, { timeout: 15_000 }).toBe(first.live.worker);
    const second = await join();
    expect(await second.live.health()).toMatchObject([{ health: { state: "idle" }, bad: false }]);

    way.leadTo(1);
    await expect.poll(() => told(first), { timeout: 45_000 }).toEqual([expect.stringMatching(`critical\\] ${name}: ${name} begins no task: no worker reaches Restate`)]);
    expect(first.printed.join("\n")).toContain(`Restate's ingress at ${ingress} does not answer`);
    expect(await second.live.health()).toMatchObject([{ health: { state: "stalled" }, bad: true, evidence: expect.stringContaining(`Restate's ingress at ${ingress} does not answer`) as string }]);
    await open.shift()?.live.close();
    await expect.poll(holder, { timeout: 15_000 }).toBe(second.live.worker);
    way.leadTo(port);
    await expect.poll(() => told(second), { timeout: 30_000 }).toHaveLength(1);

    expect(told(first, second)).toEqual([expect.stringContaining("[critical]"), expect.stringMatching(`resolved\\] ${name}: ${name} begins tasks again`)]);
    expect(await second.live.health()).toMatchObject([{ health: { state: "idle" }, bad: false }]);
  } finally {
    for (const { live } of open) await live.close();
    await way.close();
    await db.close();
  }
});
