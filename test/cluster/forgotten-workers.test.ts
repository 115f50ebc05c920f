import { expect, it, onTestFinished, vi } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { createIds } from "../../src/base/id.ts";
import { messageOf } from "../../src/base/error.ts";
import { seededRandom } from "../../src/base/random.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { retentionDefaults } from "../../src/policy/retention.ts";
import { clusterPlace, uniqueTeamName } from "../fixture/cluster-team.ts";
import { openClusterData } from "../../src/runtime/open-cluster-data.ts";
import { startRetention } from "../../src/runtime/retention.ts";

it("a pass of the retention forgets workers that were silent for a day, or that spoke after PostgreSQL's present, and no others", async () => {
  const [cluster, random] = [await clusterPlace(), seededRandom("forgotten workers")];
  const data = await openClusterData({
    team: uniqueTeamName(), cluster, random, clock: systemClock, ids: createIds(systemClock, random),
    observe: () => [], redact: (value) => value, onCommit: () => undefined, onFault: () => undefined, onNotice: () => undefined,
  });
  onTestFinished(() => data.close());
  const db = await PostgresDatabase.open({ url: cluster.store, clock: systemClock, random });
  onTestFinished(() => db.close());
  const silentFor = { live: "0 s", gone: "23 h", forgotten: "25 h", later: "-25 h" };
  for (const [name, silence] of Object.entries(silentFor)) await db.run("INSERT INTO lh_worker (name, uri, is_advertised, seen_at) VALUES ($1, 'http://127.0.0.1:1', true, clock_timestamp() - $2::interval)", name, silence);
  const [clock, errors] = [new VirtualClock(), [] as string[]];

  const retention = startRetention({ clock, isShared: true, policy: { ...retentionDefaults, longer: new Map() }, engine: data.engine, store: data.store, upkeep: data.upkeep, onError: (error) => errors.push(messageOf(error)) });
  onTestFinished(() => retention.close());
  await clock.advance(60_000, () => Promise.resolve());

  await vi.waitFor(async () => expect((await db.all("SELECT name FROM lh_worker ORDER BY position")).map(({ name }) => name)).toEqual(["live", "gone"]), { timeout: 20_000 });
  expect(errors).toEqual([]);
});
