import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { startPostgres } from "../../src/db/fixture/postgres-server.ts";
import { migratePostgres } from "../../src/db/postgres-migration.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { toLogRecord } from "../../src/record/log-record.ts";
import { clusterMigrations } from "../../src/runtime/cluster-schema.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres-store.ts";
import { runLonghaul } from "../docs/team-process.ts";

vi.setConfig({ testTimeout: 120_000 });

test("logs --follow says once that PostgreSQL is away, for however long, and goes on with what was written when it is back", async () => {
  const server = await startPostgres();
  onTestFinished(() => server.close());
  const url = await server.createDatabase();
  const db = await PostgresDatabase.open({ url, clock: systemClock, random: systemRandom });
  onTestFinished(() => db.close());
  await migratePostgres(db, clusterMigrations);
  const store = createPostgresStore({ db, clock: systemClock, random: systemRandom });
  onTestFinished(() => store.close());
  const write = (id: string): Promise<unknown> => store.write([{ type: "record", record: toLogRecord(id, 0, "team", { event_type: "task" }) }]);
  await write("first");
  const follower = runLonghaul(["logs", "--follow", "--json"], { LONGHAUL_STORE: url });
  onTestFinished(() => follower.signal("SIGKILL"));
  await follower.said('"first"');

  await server.stop("kill");
  await expect.poll(() => follower.errors, { timeout: 60_000 }).toEqual([expect.stringContaining("This goes on when it is back")]);
  await server.start();
  await write("second");

  await follower.said('"second"');
  expect(follower.lines).toHaveLength(2);
  await expect.poll(() => follower.errors, { timeout: 15_000 }).toEqual([expect.stringContaining("does not do its work"), "The database is back."]);
});
