import { systemClock } from "../../src/base/clock.ts";
import { createIds } from "../../src/base/id.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { EngineContext, RunEnd } from "../../src/engine/engine.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { createRestateEngine } from "../../src/engine/restate/restate-engine.ts";
import type { Write } from "../../src/record/write.ts";
import { createPostgresStore } from "../../src/store/postgres/postgres-store.ts";
import { message } from "./bare-commit.ts";
import type { Place } from "./place.ts";
import { Stopwatch, type Side, type Times, type Workload } from "./workload.ts";

/** Runs at once at the most; more than any workload has. */
const concurrency = 1_000;
const dayMs = 86_400_000;

interface Input {
  readonly run: number;
  readonly stepsPerRun: number;
  readonly guards: boolean;
}

/** The engine on Restate with the store on PostgreSQL, as a team has them. */
export async function openAdapterSide({ restate, db }: Place): Promise<Side> {
  const clock = systemClock;
  const ids = createIds(clock, seededRandom("bench"));
  const store = createPostgresStore({ db, clock, random: seededRandom("store") });
  let stopwatch = new Stopwatch(0);
  const faults: unknown[] = [];
  const engine = createRestateEngine({
    db, clock, ids,
    team: "bench",
    restate,
    endpoint: { host: "127.0.0.1", port: await freePort() },
    apply: (tx, writes) => store.apply(tx, writes),
    observe: () => [],
    onFault: (error) => faults.push(error),
  });
  const execute = async (ctx: EngineContext): Promise<RunEnd> => {
    const { run, stepsPerRun, guards } = ctx.task.input as unknown as Input;
    stopwatch.begin(run);
    for (let step = 1; step <= stepsPerRun; step++) {
      await ctx.step({ kind: "code", name: "count" }, async ({ number }) => ({ outcome: { ok: true, value: number }, ...(guards ? { writes: [messageOf(ctx, number, clock.now())] } : {}) }));
    }
    stopwatch.end(run);
    return { end: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null } };
  };
  await engine.run([{ name: "bench", version: "1", concurrency, queueMax: 100_000 }], execute);
  const start = async (input: Input): Promise<string> => {
    const nowMs = clock.now();
    const task = { id: ids("t"), agent: "bench", input: { ...input }, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + dayMs, depth: 0, source: "bench" };
    return (await engine.start(task)).taskId;
  };
  return {
    async measure({ runs, stepsPerRun, guards }: Workload): Promise<Times> {
      stopwatch = new Stopwatch(runs);
      const rowsBefore = await countRows(db);
      const beganAtMs = clock.monotonicMs();
      const ends = await Promise.all(Array.from({ length: runs }, async (_, run) => await engine.result(await start({ run, stepsPerRun, guards }))));
      const wholeMs = clock.monotonicMs() - beganAtMs;
      const rows = (await countRows(db)) - rowsBefore;
      const steps = runs * stepsPerRun;
      if (faults.length > 0) throw faults[0];
      if (rows !== (guards ? 2 : 1) * steps || ends.some(({ status }) => status !== "done")) throw new Error(`The engine left ${rows} rows of ${steps} steps.`);
      return { ...stopwatch.times(), wholeMs };
    },
    async close() {
      await engine.close();
      await store.close();
    },
  };
}

/** What others see, so that it is stored with the step's outcome. */
function messageOf({ task }: EngineContext, step: number, atMs: number): Write {
  return { type: "outbox", id: `bench ${task.id} ${step}`, notifier: "bench", message, atMs, expiresAtMs: atMs + dayMs };
}

/** Completed steps, and messages: what guard steps queue. */
async function countRows(db: Place["db"]): Promise<number> {
  return Number((await db.get("SELECT (SELECT coalesce(sum(last), 0) FROM (SELECT max(last) AS last FROM lh_told GROUP BY run) AS told) + (SELECT count(*) FROM lh_outbox) AS n"))?.["n"]);
}
