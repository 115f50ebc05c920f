import { LonghaulError } from "../base/error.ts";
import { createIds } from "../base/id.ts";
import { OperatorEngine } from "../engine/restate/operator-engine.ts";
import { createPostgresStore } from "../store/postgres/postgres-store.ts";
import { type OperatorDatabaseOptions, openOperatorDatabase } from "./cluster-schema.ts";
import { describeStore } from "./cluster-place.ts";
import { manifestName, parseManifest } from "./manifest.ts";
import { createOperations, type OpenOperations } from "./operations.ts";
import { redactWrites } from "./redact-writes.ts";
import { createSecrets } from "./secrets.ts";
import { taskRecords } from "./task-record.ts";

/**
 * Operations on a team whose workers may run or not: what is done is in PostgreSQL, and workers hear of it.
 * @throws {STORE_NOT_FOUND} when no team ever ran there, and as `openOperatorDatabase` does
 */
export async function openClusterOperations(options: OperatorDatabaseOptions): Promise<OpenOperations> {
  const { clock, random } = options;
  const { db, store: reading } = await openOperatorDatabase(options);
  const store = createPostgresStore({ db, clock, random: random.split("store") });
  const close = async (): Promise<void> => {
    await store.close();
    await db.close();
  };
  const manifest = parseManifest(await reading.meta.get(manifestName));
  if (manifest === null) {
    await close();
    throw new LonghaulError("STORE_NOT_FOUND", `No team ever ran on ${describeStore(options)}. Start one there first with \`longhaul start team.ts\`, or give another --store.`);
  }
  const ids = createIds(clock, random);
  const { redact } = createSecrets(() => undefined);
  const { team, workers } = manifest;
  const engine = new OperatorEngine({
    db, clock, ids,
    apply: (tx, writes) => store.apply(tx, redactWrites(writes, redact)),
    observe: (change) => taskRecords(change, { team, versionOf: () => null, id: () => ids("e") }),
    queueMax: (agent) => workers.find(({ name }) => name === agent)?.queueMax,
  });
  return {
    operations: createOperations({ engine, clock, ids, manifest: () => manifest, records: store.records }),
    async close() {
      engine.close();
      await close();
    },
  };
}
