import { sleep, systemClock } from "../../base/clock.ts";
import { LonghaulError } from "../../base/error.ts";
import { createIds } from "../../base/id.ts";
import { seededRandom } from "../../base/random.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import type { Migration } from "../../db/migration.ts";
import { migratePostgres } from "../../db/postgres-migration.ts";
import { PostgresDatabase, type PostgresSession } from "../../db/postgres.ts";
import type { Write } from "../../record/write.ts";
import type { TaskChange } from "../engine.ts";
import type { EngineFixture, EngineSuite } from "../engine-fixture.testsuite.ts";
import type { EngineLimits } from "../limits.ts";
import { restateEngineMigrations } from "./engine-migrations.ts";
import { freePort } from "../../base/fixture/free-port.ts";
import { sharedRestate, type RestateServer } from "./fixture/restate-server.ts";
import { createRestateEngine, type RestateEngine } from "./restate-engine.ts";

/** A small store of the test's own: keys and progress, as real tables beside the engine's. */
const testStoreMigrations: readonly Migration[] = [
  {
    name: "0002-test-store",
    sql: `CREATE TABLE test_key (key TEXT PRIMARY KEY, task_id TEXT NOT NULL, expires_at_ms BIGINT NOT NULL);
          CREATE TABLE test_progress (position BIGINT GENERATED ALWAYS AS IDENTITY, id TEXT PRIMARY KEY);
          CREATE TABLE test_record (position BIGINT GENERATED ALWAYS AS IDENTITY, id TEXT PRIMARY KEY);
          CREATE TABLE test_left (position BIGINT GENERATED ALWAYS AS IDENTITY, task_id TEXT NOT NULL);`,
  },
];

async function applyTestWrites(db: PostgresSession, writes: readonly Write[]): Promise<void> {
  for (const write of writes) {
    if (write.type === "key.claim") await claim(db, write);
    else if (write.type === "progress") await db.run("INSERT INTO test_progress (id) VALUES ($1) ON CONFLICT DO NOTHING", write.id);
    else if (write.type === "record") await db.run("INSERT INTO test_record (id) VALUES ($1) ON CONFLICT DO NOTHING", write.record.id);
    else if (write.type === "task.left") await db.run("INSERT INTO test_left (task_id) VALUES ($1)", write.taskId);
  }
}

async function claim(db: PostgresSession, write: Extract<Write, { readonly type: "key.claim" }>): Promise<void> {
  const { changes } = await db.run(
    `INSERT INTO test_key (key, task_id, expires_at_ms) VALUES ($1, $2, $3)
     ON CONFLICT (key) DO UPDATE SET task_id = excluded.task_id, expires_at_ms = excluded.expires_at_ms WHERE test_key.expires_at_ms <= $4 OR test_key.task_id = excluded.task_id`,
    write.key, write.taskId, write.expiresAtMs, write.atMs,
  );
  if (changes === 1) return;
  const holder = String((await db.get("SELECT task_id FROM test_key WHERE key = $1", write.key))?.["task_id"]);
  throw new LonghaulError("TASK_KEY_TAKEN", `Key ${write.key} belongs to task ${holder}.`, { details: { taskId: holder } });
}

export interface RestateFixture extends EngineFixture {
  readonly engine: RestateEngine;
  readonly db: PostgresDatabase;
  readonly place: Place;
  /** The connections of another process, by which the test looks. */
  readonly observer: PostgresDatabase;
  readonly faults: readonly unknown[];
  /** The process is gone: nothing that it does reaches anybody. */
  abandon(): Promise<void>;
}

/** What the engines of one set of data have in common. */
interface Place {
  readonly team: string;
  readonly url: string;
  readonly port: number;
  readonly clock: VirtualClock;
  readonly seed: number;
}

export interface RestateSuiteOptions {
  readonly limits?: Partial<EngineLimits>;
  readonly server?: () => Promise<RestateServer>;
  /** The way of an engine to its database. Default: the straight one. */
  readonly way?: (url: string) => Promise<string>;
  /** The way of Restate to an engine that listens on this port: another port. Default: the straight one. */
  readonly lane?: ((port: number) => Promise<number>) | null;
}

let teams = 0;

/** The name of the worker that is opened there. */
export const workerName = ({ team, seed }: Place): string => `${team}, ${seed}`;

async function openRestateFixture(place: Place, { limits, server, way, lane }: Required<RestateSuiteOptions>): Promise<RestateFixture> {
  const { team, url, port, clock } = place;
  const random = seededRandom(`${team} ${place.seed}`);
  const open = (by: string, connectionsMax: number): Promise<PostgresDatabase> => PostgresDatabase.open({ url: by, connectionsMax, clock: systemClock, random: random.split("db") });
  const [db, observer] = [await open(await way(url), 5), await open(url, 1)];
  await migratePostgres(observer, [...restateEngineMigrations, ...testStoreMigrations]);
  const changes: TaskChange[] = [];
  const faults: unknown[] = [];
  const { ingress, admin } = await server();
  const engine = createRestateEngine({
    team, db, clock, limits,
    worker: workerName(place),
    restate: { ingress, admin },
    endpoint: { host: "127.0.0.1", port, ...(lane === null ? {} : { uri: `http://127.0.0.1:${await lane(port)}` }) },
    ids: createIds(clock, random),
    apply: applyTestWrites,
    sweepMs: null,
    recallMsMax: 50,
    observe(change) {
      changes.push(change);
      return [{ type: "progress", id: `${change.task.id} ${change.from ?? "new"}>${change.task.status} ${changes.length}/${place.seed}`, agent: "a", atMs: 0, what: "moved", outputHash: null }];
    },
    onFault: (error) => faults.push(error),
  });
  const column = async (name: string, table: string): Promise<readonly string[]> => (await observer.all(`SELECT ${name} FROM ${table} ORDER BY position`)).map((row) => String(row[name]));
  return {
    engine, clock, changes, db, observer, place, faults,
    applied: async () => (await column("id", "test_progress")).filter((id) => !id.includes(">")),
    recorded: () => column("id", "test_record"),
    left: () => column("task_id", "test_left"),
    settle: () => clock.advance(0, () => settle(engine, observer)),
    async abandon() {
      await engine.abandon();
      await db.close();
    },
  };
}

/** How long nothing may happen before nothing will: Restate answers within a few milliseconds. */
const stillMs = 25;
/** The same while a run has a slot and no attempt of it is here: between two attempts Restate rests for up to `recallMsMax`, and for longer on a machine that is busy. */
const stillBetweenAttemptsMs = 250;

async function settle(engine: RestateEngine, observer: PostgresDatabase): Promise<void> {
  await untilStill(engine, stillMs);
  const running = await observer.all("SELECT id FROM lh_task WHERE status = 'running'");
  const here = new Set(engine.held());
  if (running.some((task) => !here.has(String(task["id"])))) await untilStill(engine, stillBetweenAttemptsMs);
}

async function untilStill(engine: RestateEngine, forMs: number): Promise<void> {
  for (let still = 0; still < forMs; still++) {
    await sleep(systemClock, 1);
    if (!engine.isStill()) still = -1;
  }
}

/** Engines on one real Restate server and one real PostgreSQL, each set of data with a team and a database of its own. */
export function restateSuite({ limits = {}, server = sharedRestate, way = (url) => Promise.resolve(url), lane = null }: RestateSuiteOptions = {}): EngineSuite {
  let opened: RestateFixture[] = [];
  const open = async (place: Place): Promise<RestateFixture> => {
    const fixture = await openRestateFixture(place, { limits, server, way, lane });
    opened.push(fixture);
    return fixture;
  };
  const end = async (fixtures: readonly RestateFixture[]): Promise<void> => {
    for (const { engine } of fixtures) await engine.abandon();
    for (const { db, observer } of fixtures) await Promise.all([db.close(), observer.close()]);
  };
  const next = (place: Place): Place => ({ ...place, seed: place.seed + 1 });
  return {
    async create() {
      // One test after the other: what an earlier one left is over.
      await end(opened.filter(({ place }) => place.team !== opened.at(-1)?.place.team));
      opened = opened.filter(({ place }) => place.team === opened.at(-1)?.place.team);
      const url = await (await sharedPostgres()).createDatabase();
      return await open({ team: `suite${process.pid}x${++teams}`, url, port: await freePort(), clock: new VirtualClock(), seed: 1 });
    },
    async crash(fixture) {
      await (fixture as RestateFixture).abandon();
      return await open(next((fixture as RestateFixture).place));
    },
    async reopen(fixture) {
      await fixture.engine.close();
      return await open(next((fixture as RestateFixture).place));
    },
    destroy: () => end(opened),
  };
}
