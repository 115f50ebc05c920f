import { hostname } from "node:os";
import type { Clock, Timer } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import type { Random } from "../base/random.ts";
import { asMissingRight } from "../db/postgres-failure.ts";
import { migratePostgres } from "../db/postgres-migration.ts";
import { sweepPayloads } from "../db/postgres-payload-sweep.ts";
import { PostgresDatabase } from "../db/postgres.ts";
import { enginePayloadColumns } from "../engine/restate/forget.ts";
import { assertReachable } from "../engine/restate/reachable.ts";
import type * as RestateEngineModule from "../engine/restate/restate-engine.ts";
import { forgetWorkers, listWorkers } from "../engine/restate/workers.ts";
import { storePayloadColumns } from "../store/postgres/forget.ts";
import { createPostgresStore, type PostgresStore } from "../store/postgres/postgres-store.ts";
import type { Store } from "../store/store.ts";
import { assertCallersKnown, type ClusterPlace } from "./cluster-place.ts";
import { clusterMigrations } from "./cluster-schema.ts";
import type { OpenData, OpenDataOptions } from "./open-data.ts";
import { redactWrites } from "./redact-writes.ts";
import { noteRestate } from "./restate-note.ts";

export interface OpenClusterDataOptions extends Pick<OpenDataOptions, "clock" | "ids" | "observe" | "onTask" | "redact" | "onCommit" | "onOutcome"> {
  readonly team: string;
  readonly cluster: ClusterPlace;
  readonly random: Random;
  /** Told of a bug of ours. */
  readonly onFault: (error: unknown) => void;
  /** Told, for people, that Restate calls the team at another address. */
  readonly onNotice: (text: string) => void;
}

/** What a process that hangs or is cut off has locked is free after this long: others, which may want it, are to go on within 10 s. */
const idleInTransactionTimeoutMs = 2_000;
const dayMs = 86_400_000;

/** The name in lh_meta of the team whose schema it is. */
const ownerName = "team";

/**
 * Opens engine and store over Restate and PostgreSQL, in one of any number of processes, and brings the schema up to date: processes that start at once take turns.
 * @throws {ENGINE_DRIVER_MISSING} {ENGINE_UNREACHABLE} {STORE_DRIVER_MISSING} {STORE_UNREACHABLE} {STORE_REFUSED} {OPTION_INVALID}
 * @throws {STORE_VERSION} when a newer version or another team has the schema. @throws {STORE_STATEMENT} when it lacks a table or column.
 */
export async function openClusterData(options: OpenClusterDataOptions): Promise<OpenData> {
  const { team, cluster, clock, random, ids, observe, onTask, redact, onCommit, onOutcome, onFault, onNotice } = options;
  assertCallersKnown(cluster);
  const createRestateEngine = await importEngine();
  const worker = `${hostname()}, pid ${process.pid} (${ids("w")})`;
  const db = await PostgresDatabase.open({
    url: cluster.store, clock, idleInTransactionTimeoutMs,
    random: random.split("postgres"),
    ...(cluster.schema === undefined ? {} : { schema: cluster.schema }),
    ...(onOutcome === undefined ? {} : { onOutcome }),
  });
  try {
    await migratePostgres(db, clusterMigrations);
    const postgresStore = createPostgresStore({ db, clock, random: random.split("store") });
    await claimSchema(postgresStore, db, team);
    await postgresStore.prepareRecords();
    if (cluster.isWorker !== false) {
      await assertReachable(cluster.restate, clock);
      await noteRestate(postgresStore.meta, cluster.restate);
    }
    const store: Store = {
      ...postgresStore,
      async write(writes) {
        await postgresStore.write(redactWrites(writes, redact));
        onCommit();
      },
    };
    const engine = createRestateEngine({
      team, worker, db, clock, ids, observe, onFault, onNotice,
      restate: cluster.restate,
      endpoint: { ...cluster.listen, ...(cluster.uri === undefined ? {} : { uri: cluster.uri }), ...(cluster.identityKeys === undefined ? {} : { identityKeys: cluster.identityKeys }) },
      apply: (tx, writes) => postgresStore.apply(tx, redactWrites(writes, redact)),
      onCommit: (ended) => {
        for (const task of ended) onTask?.(task);
        onCommit();
      },
      isDutyGiven: true,
    });
    return {
      engine, store,
      upkeep: { forgetWorkers: () => forgetWorkers(db), sweep: () => sweep(postgresStore, db), shrink: () => Promise.resolve() },
      hold: () => undefined,
      isHeld: false,
      shared: { worker, workers: () => listWorkers(db), countExhausted: (workers) => engine.countExhausted(workers), duty: engine.duty, serve: (agents, execute) => engine.serve(agents, execute), keepRoom: () => keepRoom(clock, postgresStore, onFault), onNews: (listener) => postgresStore.listenForLeases(listener), onQueued: (listener) => postgresStore.listenForOutbox(listener) },
      async close() {
        await engine.close();
        await postgresStore.close();
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw asMissingRight(db, error);
  }
}

/** PostgreSQL gives free what was deleted by itself. */
async function sweep(store: PostgresStore, db: PostgresDatabase): Promise<void> {
  await store.forgetMessages();
  await sweepPayloads(db, { ...enginePayloadColumns, ...storePayloadColumns });
}

/** Each week of records is made before it begins. */
function keepRoom(clock: Clock, store: PostgresStore, onFault: (error: unknown) => void): Timer {
  let timer: Timer;
  const arm = (): void => {
    timer = clock.setTimer(dayMs, () => {
      store.prepareRecords().catch(onFault);
      arm();
    });
  };
  arm();
  return { cancel: () => timer.cancel() };
}

/** Restate's SDK is loaded by whoever asks for a cluster, and by nobody else. */
async function importEngine(): Promise<(typeof RestateEngineModule)["createRestateEngine"]> {
  try {
    return (await import("../engine/restate/restate-engine.ts")).createRestateEngine;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")) throw error;
    throw new LonghaulError("ENGINE_DRIVER_MISSING", "A team on a cluster needs the packages @restatedev/restate-sdk and pg, which are not both installed. Type: npm install @restatedev/restate-sdk pg", { cause: error });
  }
}

/** Nothing in the tables says whose tasks they are: two teams in one schema would work on each other's. */
async function claimSchema(store: PostgresStore, { where, schema }: PostgresDatabase, team: string): Promise<void> {
  if ((await store.meta.get(ownerName)) === null) await store.meta.set(ownerName, team);
  const owner = await store.meta.get(ownerName);
  if (owner !== team) throw new LonghaulError("STORE_VERSION", `The schema ${schema} at ${where} holds the data of the team ${String(owner)}, not of ${team}. Use another schema or database.`);
}
