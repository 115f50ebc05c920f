import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Migration } from "../db/migration.ts";
import { asMissingRight } from "../db/postgres-failure.ts";
import { PostgresDatabase } from "../db/postgres.ts";
import { restateEngineMigrations } from "../engine/restate/engine-migrations.ts";
import type { OperatorReading } from "../store/operator-reading.ts";
import { openPostgresOperator } from "../store/postgres/operator.ts";
import { storeMigrations } from "../store/postgres/schema.ts";

/** Every migration of a cluster's schema, in order: the engine's, then the store's. */
export const clusterMigrations: readonly Migration[] = [...restateEngineMigrations, ...storeMigrations];

export interface OperatorDatabaseOptions {
  /** `postgres://user:password@host:5432/database`. */
  readonly store: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** People wait for the answer, and see what there is to see by then. */
const retryForMs = 5_000;

/**
 * Opens the database of a team's workers for a command beside them; it changes no table.
 * @throws {STORE_NOT_FOUND} {STORE_VERSION} {STORE_STATEMENT} {STORE_UNREACHABLE} {STORE_REFUSED} {STORE_DRIVER_MISSING} {OPTION_INVALID}
 */
export async function openOperatorDatabase({ store: url, clock, random }: OperatorDatabaseOptions): Promise<{ readonly db: PostgresDatabase; readonly store: OperatorReading }> {
  const db = await PostgresDatabase.open({ url, clock, random, retryForMs });
  try {
    return { db, store: await openPostgresOperator(db, clusterMigrations) };
  } catch (error) {
    await db.close();
    throw asMissingRight(db, error);
  }
}
