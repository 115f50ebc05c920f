import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { sleep, systemClock } from "../../src/base/clock.ts";
import type { SqliteDatabase } from "../../src/db/sqlite.ts";
import type { Engine, EngineContext, RunEnd } from "../../src/engine/engine.ts";
import { assertDone } from "../done.ts";
import { Meter, quantile } from "../engine/meter.ts";
import { openEngine, openFile } from "../engine/steps-workload.ts";

export interface WaitingFigures {
  /** From the first start until each run waits in the file. */
  readonly createdPerSecond: number;
  readonly heapBytesEach: number;
  readonly diskBytesEach: number;
  readonly idleCpuMsPerSecond: number;
  /** Runs that were signalled one after the other, until each had ended. */
  readonly signalledPerSecond: number;
  /** All the others fell due at one instant: how many of them ended a second. */
  readonly endedPerSecond: number;
  /** Tasks of another agent that came meanwhile, from their start to their end. */
  readonly newTaskP50Ms: number;
  readonly newTaskP99Ms: number;
  readonly newTaskMaxMs: number;
}

/** Starts that are under way at once. */
const startsAtOnce = 500;
/** Slots of the agent whose runs wait. */
const slots = 200;
const idleMs = 5_000;
/** Between two tasks of the other agent. */
const newTaskEveryMs = 20;
const done: RunEnd = { end: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null } };

/** Measures runs that wait for the signal "go" or for an instant, whichever comes first, in a process that does nothing else. */
export async function measureWaiting({ runs, records }: { readonly runs: number; readonly records: boolean }): Promise<WaitingFigures> {
  const file = openFile();
  const clock = systemClock;
  const { engine, ids, close } = openEngine(file.db, { records });
  // Far enough that all of them wait by then, whatever the machine.
  let dueAtMs = Number.POSITIVE_INFINITY;
  const execute = async (ctx: EngineContext): Promise<RunEnd> => {
    if (ctx.task.agent === "waits") await ctx.wait({ name: "go", kind: "signal", reason: "signal", signal: "go", timeoutMs: Math.max(0, dueAtMs - ctx.now()) });
    else await ctx.step({ kind: "code", name: "work" }, () => Promise.resolve({ outcome: { ok: true, value: null } }));
    return done;
  };
  await engine.run([{ name: "waits", version: "1", concurrency: slots, queueMax: runs + 1 }, { name: "works", version: "1", concurrency: 10, queueMax: 10_000 }], execute);
  const start = async (agent: string): Promise<string> => {
    const nowMs = clock.now();
    return (await engine.start({ id: ids("t"), agent, input: null, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + 86_400_000, depth: 0, source: "bench" })).taskId;
  };
  await warmUp(engine, start);
  const heapBefore = heapBytes();
  const diskBefore = diskBytes(file.db);

  const secondsFor = Math.max(20, (runs / 2_000) * (records ? 2 : 1));
  dueAtMs = clock.now() + secondsFor * 1_000;
  const creating = new Meter();
  let started = 0;
  await Promise.all(Array.from({ length: startsAtOnce }, async () => {
    while (started++ < runs) await start("waits");
  }));
  while (count(file.db, "lh_wait") < runs) await sleep(clock, 5);
  const createdPerSecond = (runs / creating.used().ms) * 1_000;
  const diskBytesEach = (diskBytes(file.db) - diskBefore) / runs;
  const heapBytesEach = (heapBytes() - heapBefore) / runs;

  await sleep(clock, 1_000);
  const idle = new Meter();
  await sleep(clock, idleMs);
  const { ms, cpuMs } = idle.used();
  const idleCpuMsPerSecond = (cpuMs / ms) * 1_000;

  const signalled = Math.min(10_000, Math.floor(runs / 10));
  const signallingMs = await signalSome(engine, file.db, signalled);
  if (clock.now() > dueAtMs - 1_000) throw new Error(`The runs were due before all of them waited: ${secondsFor} s are too few on this machine.`);
  await sleep(clock, dueAtMs - clock.now());
  const { dueMs, latencies } = await whileAllAreDue(file.db, async () => assertDone(await engine.result(await start("works"))));
  const result = {
    createdPerSecond, heapBytesEach, diskBytesEach, idleCpuMsPerSecond,
    signalledPerSecond: (signalled / signallingMs) * 1_000,
    endedPerSecond: ((runs - signalled) / dueMs) * 1_000,
    newTaskP50Ms: quantile(latencies, 0.5), newTaskP99Ms: quantile(latencies, 0.99), newTaskMaxMs: quantile(latencies, 1),
  };
  const wrong = file.db.allOnce("SELECT count(*) AS n FROM lh_task WHERE status <> 'done'")[0]?.["n"];
  if (wrong !== 0) throw new Error(`${String(wrong)} tasks are not done.`);
  await close();
  file.remove();
  return result;
}

/** What is made once, whoever waits, is made before anything is measured. */
async function warmUp(engine: Engine, start: (agent: string) => Promise<string>): Promise<void> {
  const taskIds = await Promise.all(Array.from({ length: 2_000 }, () => start("works")));
  for (const taskId of taskIds) assertDone(await engine.result(taskId));
}

async function signalSome(engine: Engine, db: SqliteDatabase, signalled: number): Promise<number> {
  const runIds = db.allOnce("SELECT lh_run.id FROM lh_wait JOIN lh_run ON lh_run.serial = lh_wait.run LIMIT ?", signalled).map((row) => String(row["id"]));
  const before = count(db, "lh_task WHERE status = 'done'");
  const meter = new Meter();
  let next = 0;
  await Promise.all(Array.from({ length: startsAtOnce }, async () => {
    for (let runId = runIds[next++]; runId !== undefined; runId = runIds[next++]) await engine.signal(runId, "go", null, `signal ${runId}`);
  }));
  while (count(db, "lh_task WHERE status = 'done'") < before + signalled) await sleep(systemClock, 5);
  return meter.used().ms;
}

/** From the instant at which they are due until none is open, with new tasks of another agent all the while. */
async function whileAllAreDue(db: SqliteDatabase, work: () => Promise<void>): Promise<{ readonly dueMs: number; readonly latencies: readonly number[] }> {
  const meter = new Meter();
  const latencies: number[] = [];
  const underWay = new Set<Promise<void>>();
  const measured = async (): Promise<void> => {
    const one = new Meter();
    await work();
    latencies.push(one.elapsedMs());
  };
  let dueMs = 0;
  while (dueMs === 0) {
    const one = measured().finally(() => underWay.delete(one));
    underWay.add(one);
    await sleep(systemClock, newTaskEveryMs);
    // The last of those that were started last is still open: of the others none.
    if (db.get("SELECT 1 FROM lh_task WHERE agent = 'waits' AND ended_at_ms IS NULL LIMIT 1") === undefined) dueMs = meter.elapsedMs();
  }
  await Promise.all(underWay);
  return { dueMs, latencies };
}

/** Asked between two commits: the writer's connection shows a commit only when it is made, or is asked again. */
function count(db: SqliteDatabase, from: string): number {
  return db.inTransaction ? 0 : Number(db.get(`SELECT count(*) AS n FROM ${from}`)?.["n"]);
}

/** What all pages of the file take once the log is worked off. */
function diskBytes(db: SqliteDatabase): number {
  db.allOnce("PRAGMA wal_checkpoint(TRUNCATE)");
  return Number(db.allOnce("PRAGMA page_count")[0]?.["page_count"]) * Number(db.allOnce("PRAGMA page_size")[0]?.["page_size"]);
}

/** What of the heap is in use after a full collection. */
function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
