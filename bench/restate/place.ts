import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { startPostgres, type PostgresServer } from "../../src/db/fixture/postgres-server.ts";
import { migratePostgres } from "../../src/db/postgres-migration.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { restateEngineMigrations } from "../../src/engine/restate/engine-migrations.ts";
import { startRestate, type RestateServer } from "../../src/engine/restate/fixture/restate-server.ts";
import { storeMigrations } from "../../src/store/postgres/schema.ts";

/** One Restate and one PostgreSQL that both sides use. */
export interface Place {
  readonly restate: RestateServer;
  readonly db: PostgresDatabase;
  /** Transactions that have written something, on the whole server. Asked over a connection that is no part of the bench. */
  commits(): Promise<number>;
  close(): Promise<void>;
}

/** What the tests' fixture switches off and a server in production has on; `fsync` is what the figures of guard steps depend on. */
const asInProduction = (fsync: boolean): readonly string[] => [...(fsync ? ["fsync=on", "full_page_writes=on"] : []), "autovacuum=on", "shared_buffers=128MB"];

export async function openPlace({ fsync }: { readonly fsync: boolean }): Promise<Place> {
  const [postgres, restate] = await Promise.all([startPostgres(asInProduction(fsync)), startRestate()]);
  const url = await postgres.createDatabase();
  const db = await PostgresDatabase.open({ url, clock: systemClock, random: seededRandom("bench") });
  await migratePostgres(db, [...restateEngineMigrations, ...storeMigrations]);
  return {
    restate,
    db,
    commits: () => countCommits(postgres),
    async close() {
      await db.close();
      await Promise.all([restate.close(), postgres.close()]);
    },
  };
}

async function countCommits(postgres: PostgresServer): Promise<number> {
  return Number((await postgres.query("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS n"))[0]?.["n"]);
}
