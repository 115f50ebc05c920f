import { expect, it, onTestFinished } from "vitest";
import { systemClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { sharedPostgres } from "../db/fixture/postgres-server.ts";
import { migratePostgres } from "../db/postgres-migration.ts";
import { madeBy } from "../db/postgres-tables.ts";
import { PostgresDatabase } from "../db/postgres.ts";
import { clusterMigrations } from "./cluster-schema.ts";

/** Tables, and their columns as table.column; what a part of lh_record has comes from that. */
const selectThere = `WITH there AS (SELECT oid, relname, relispartition FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND relname <> 'lh_migration')
  SELECT relname AS name FROM there UNION ALL
  SELECT relname || '.' || attname FROM there JOIN pg_attribute ON attrelid = oid WHERE attnum > 0 AND NOT attisdropped AND NOT relispartition`;

it("the tables and columns that are read from migrations are those that PostgreSQL has after each", async () => {
  const db = await PostgresDatabase.open({ url: await (await sharedPostgres()).createDatabase(), clock: systemClock, random: seededRandom(1) });
  onTestFinished(() => db.close());

  for (const [index, { name }] of clusterMigrations.entries()) {
    const applied = clusterMigrations.slice(0, index + 1);
    await migratePostgres(db, applied);

    const there = (await db.all(selectThere)).map((row) => String(row["name"]));
    const made = new Set(madeBy(applied).map(({ table, column }) => (column === null ? table : `${table}.${column}`)));
    expect([...made].toSorted(), `after ${name}`).toEqual(there.toSorted());
  }
});
