import { type Clock, sleep, systemClock } from "../../src/base/clock.ts";
import { createIds } from "../../src/base/id.ts";
import { integerBetween, type Random } from "../../src/base/random.ts";
import { systemRandom } from "../../src/base/random.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { createRestateEngine, type RestateEngine } from "../../src/engine/restate/restate-engine.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres-store.ts";
import type { Cluster } from "./fixture/cluster.ts";
import { agents } from "./fixture/programs.ts";

/** Tasks that come in while faults happen, from a process that executes none: an application. It keeps the ids that it was told. */
export interface Load {
  /** Started and acknowledged. */
  readonly started: ReadonlySet<string>;
  /** What starting failed of. The task of such a start may be there or not. */
  readonly refused: readonly string[];
  readonly db: PostgresDatabase;
  /** Starts what is left at once, and resolves when each start was answered. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

export interface LoadOptions {
  readonly cluster: Cluster;
  readonly random: Random;
  readonly tasks: number;
  /** Between two starts. */
  readonly everyMs: number;
}

const keyWindowMs = 86_400_000;
const answerEveryMs = 200;
const clock: Clock = systemClock;
/** Tasks that no run starts: "pack" is called by "parent" too. */
const names = agents.map(({ name }) => name);

export async function startLoad({ cluster, random, tasks, everyMs }: LoadOptions): Promise<Load> {
  const db = await PostgresDatabase.open({ url: cluster.databaseUrl, clock, random: systemRandom });
  const store = createPostgresStore({ db, clock, random: systemRandom });
  const ids = createIds(clock, systemRandom);
  const engine = createRestateEngine({
    team: "chaos", db, clock, ids, apply: (tx, writes) => store.apply(tx, writes),
    restate: { ingress: cluster.ingress, admin: cluster.admin },
    endpoint: { host: "127.0.0.1", port: 0 },
    observe: () => [],
    onFault: () => undefined,
  });
  const started = new Set<string>();
  const refused: string[] = [];
  const pending = new Set<Promise<void>>();
  const stopping = new AbortController();
  let isHurried = false;
  const startOne = async (number: number): Promise<void> => {
    const id = ids("t");
    const nowMs = clock.now();
    const key = `order ${number}`;
    const task = { id, agent: names[integerBetween(random, 0, names.length - 1)] ?? "order", input: { number }, key, priority: 0, notBeforeAtMs: 0, deadlineAtMs: nowMs + 3_600_000, depth: 0, source: "chaos" };
    try {
      const { taskId } = await engine.start(task, { writes: [{ type: "key.claim", key, taskId: id, atMs: nowMs, expiresAtMs: nowMs + keyWindowMs }] });
      started.add(taskId);
    } catch (error) {
      refused.push(`${id}: ${String(error)}`);
    }
  };
  const startAll = async (): Promise<void> => {
    for (let number = 1; number <= tasks; number++) {
      const one = startOne(number).finally(() => pending.delete(one));
      pending.add(one);
      if (!isHurried) await sleep(clock, everyMs);
      else if (pending.size > 20) await Promise.race(pending);
    }
  };
  const [all, answering] = [startAll(), answerSignals(engine, db, stopping.signal)];
  return {
    started, refused, db,
    async finish() {
      isHurried = true;
      await all;
      await Promise.all(pending);
    },
    async close() {
      stopping.abort();
      await answering;
      await engine.abandon();
      await store.close();
      await db.close();
    },
  };
}

/** Somebody who answers each wait for an answer, twice, as an application does that got no reply to its first call. */
async function answerSignals(engine: RestateEngine, db: PostgresDatabase, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const rows = await db.all("SELECT lh_run.id FROM lh_wait JOIN lh_run ON lh_run.serial = lh_wait.run WHERE lh_wait.signal = 'answer'");
      for (const row of rows) for (let time = 0; time < 2; time++) await engine.signal(String(row["id"]), "answer", "yes", `answer to ${String(row["id"])}`);
    } catch {
      // PostgreSQL is away; those that wait are still there afterwards.
    }
    await sleep(clock, answerEveryMs, signal).catch(() => undefined); // Stopped.
  }
}
