import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { sharedPostgres } from "../../src/db/fixture/postgres-server.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { sharedRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import { testKillRounds } from "./kill-rounds.testsuite.ts";
import type { TeamData } from "./watched-team.ts";

/** The same team on Restate and PostgreSQL. Each round of a kill waits until the lease of the duties is over: a few in CI, 20 by KILL_ROUNDS=20. */
testKillRounds({ rounds: 3, scanTimeoutMs: 60_000, openData });

async function openData(): Promise<TeamData> {
  const [postgres, { ingress, admin }] = await Promise.all([sharedPostgres(), sharedRestate()]);
  const url = await postgres.createDatabase();
  const db = await PostgresDatabase.open({ url, clock: systemClock, random: systemRandom });
  return {
    flags: ["--store", url, "--restate-ingress", ingress, "--restate-admin", admin, "--listen", `127.0.0.1:${await freePort()}`],
    query: (sql) => db.all(sql),
    close: () => db.close(),
  };
}
