import { LonghaulError } from "../../base/error.ts";
import { assertKnownSchema } from "../../db/postgres-migration.ts";
import { assertTables } from "../../db/postgres-tables.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";
import type { Migration } from "../../db/migration.ts";
import type { OperatorReading } from "../operator-reading.ts";
import { takeCensus } from "./census.ts";
import { findKeyOf } from "./keys.ts";
import { selectMessages } from "./messages.ts";
import { getMeta, listMeta } from "./meta.ts";
import { selectSpentMoney } from "./money.ts";
import { listOutbox } from "./outbox.ts";
import { allProgress } from "./progress.ts";
import { runReadingQuery } from "./reading-query.ts";
import { queryRecords, selectUsageByAgent } from "./records.ts";
import { allTriggerStates } from "./triggers.ts";

/**
 * What operators ask of a database, beside the processes that write it. `migrations` are those that this version knows, of the store and of the engine.
 * The database is closed by whoever opened it.
 * @throws {STORE_NOT_FOUND} when the schema holds no data of a team. @throws {STORE_VERSION} when its format is another one than this version reads. @throws {STORE_STATEMENT} when a table or column is gone.
 */
export async function openPostgresOperator(db: PostgresDatabase, migrations: readonly Migration[]): Promise<OperatorReading> {
  const { where, schema } = db;
  const there = await db.get("SELECT to_regclass($1) IS NOT NULL AS migrations", `${schema}.lh_migration`);
  if (there?.["migrations"] !== true) throw new LonghaulError("STORE_NOT_FOUND", `The schema ${schema} at ${where} holds no data of a team yet. Start a team there first, or give another address.`);
  const applied = await assertKnownSchema(db, db, migrations);
  const missing = migrations.filter(({ name }) => !applied.has(name)).map(({ name }) => name);
  if (missing.length > 0) throw new LonghaulError("STORE_VERSION", `The schema ${schema} at ${where} was written by an older version of longhaul (it lacks ${missing.join(", ")}). Start the team once with this version.`);
  await assertTables(db, db, migrations, applied);
  return {
    records: {
      query: (filter) => queryRecords(db, filter),
      usageByAgent: (window) => selectUsageByAgent(db, window),
      census: () => db.transaction(takeCensus, { isolation: "repeatable read", readOnly: true }),
    },
    messages: { transcript: (headId) => selectMessages(db, headId) },
    money: { spent: (filter) => selectSpentMoney(db, filter) },
    progress: { all: () => allProgress(db) },
    triggers: { all: () => allTriggerStates(db) },
    meta: { get: (name) => getMeta(db, name), list: (prefix) => listMeta(db, prefix) },
    keys: { heldBy: (taskId) => findKeyOf(db, taskId) },
    outbox: { list: () => listOutbox(db) },
    query: (sql, options) => runReadingQuery(db, sql, options),
  };
}
