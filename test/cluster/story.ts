import { sleep, systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { queryRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import { describeFault, type Fault, type FaultPlan } from "./fault-plan.ts";
import { type Cluster, startCluster } from "./fixture/cluster.ts";
import { findViolations } from "./invariants.ts";
import { type Load, startLoad } from "./load.ts";
import { type Beat, type Blow, computeResumption, type Resumption, type SeenTask } from "./resumption.ts";
import { watchRuns, type Witness } from "./witness.ts";

/** What became of a cluster that was told to live through a plan. */
export interface StoryReport {
  readonly seed: number;
  readonly tasks: number;
  readonly effects: number;
  readonly resumptions: readonly Resumption[];
  /** What the engines reported as bugs, and how workers ended by themselves. */
  readonly troubles: readonly string[];
  readonly violations: readonly string[];
  readonly tookMs: number;
}

export interface StoryOptions {
  readonly plan: FaultPlan;
  /** Over it, work has not gone on in time. */
  readonly resumeMsMax: number;
  readonly onProgress?: (what: string) => void;
}

/** When nothing ended for so long, nothing will. */
const stuckMs = 45_000;
const lookEveryMs = 100;
/** What mending a fault takes is not in its plan: tasks come in for so much longer, so that the last faults hit some too. */
const spread = 1.3;
/** After everything ended: what is still to be noted, rung and swept. */
const calmMs = 8_000;

export async function tellStory({ plan, resumeMsMax, onProgress = () => undefined }: StoryOptions): Promise<StoryReport> {
  const beganMs = systemClock.monotonicMs();
  const beats: Beat[] = [];
  const faults: string[] = [];
  const cluster = await startCluster({
    workers: plan.workers,
    onLine: (worker, line) => {
      if (line.type === "beat") beats.push({ worker, runId: line.runId, atMs: line.atMs });
      if (line.type === "fault") faults.push(`${worker}: ${line.message}`);
    },
  });
  const load = await startLoad({ cluster, random: seededRandom(`load ${plan.seed}`), tasks: plan.tasks, everyMs: (lengthOf(plan) * spread) / plan.tasks });
  const witness = watchRuns(load.db, cluster.admin);
  try {
    const blows: Blow[] = [];
    for (const { afterMs, fault } of plan.faults) {
      await sleep(systemClock, afterMs);
      onProgress(describeFault(fault));
      blows.push(await strike(cluster, fault));
    }
    await sleep(systemClock, 1_000);
    onProgress("the rest of the load");
    await load.finish();
    const isOver = await untilRest(load, onProgress);
    const tasks = await listTasks(load);
    const resumptions = blows.map((blow) => computeResumption(blow, { beats, tasks, rests: witness.rests }));
    const late: string[] = [];
    for (const { fault, slowestMs, slowestRun, fromMs } of resumptions.filter((one) => one.slowestMs > resumeMsMax)) {
      const story = await witness.tell(slowestRun, { fromMs, untilMs: fromMs + slowestMs });
      const own = beats.filter(({ runId }) => runId === slowestRun).map(({ worker, atMs }) => `${atMs - fromMs} ms by ${worker}`);
      late.push([`work went on after ${slowestMs} ms (run ${slowestRun}): ${fault}`, ...story, `signs of life: ${own.join(", ")}`].join("\n    "));
    }
    const starving = resumptions.filter(({ starvedMs }) => starvedMs > resumeMsMax).map(({ fault, starvedMs, starved }) => `no task of ${starved} was started for ${starvedMs} ms: ${fault}`);
    const violations = [
      ...(isOver ? [] : [`nothing ended for ${stuckMs} ms, and not everything has`]),
      ...late,
      ...starving,
      ...load.refused.map((refusal) => `a start was refused: ${refusal}`),
      ...(isOver ? [] : await askRestate(cluster)),
      ...(isOver ? [] : await tellUndone(load, witness)),
      ...(await findViolations({ db: load.db, seen: cluster.sink.seen, started: load.started })),
    ];
    return { seed: plan.seed, tasks: tasks.filter(({ endedAtMs }) => endedAtMs !== null).length, effects: cluster.sink.seen.length, resumptions, violations, troubles: [...faults, ...cluster.workers.flatMap(({ process }) => process.troubles)], tookMs: Math.round(systemClock.monotonicMs() - beganMs) };
  } finally {
    await witness.close();
    await load.close();
    await cluster.close();
  }
}

/** How long the faults last: tasks come in all the while. */
function lengthOf({ faults }: FaultPlan): number {
  return faults.reduce((sum, { afterMs, fault }) => sum + afterMs + fault.forMs, 0);
}

/** Lets a fault happen and mends it. */
async function strike(cluster: Cluster, fault: Fault): Promise<Blow> {
  const atMs = systemClock.now();
  const hit = { fault: describeFault(fault), atMs };
  const pass = (): Promise<void> => sleep(systemClock, fault.forMs);
  if (fault.type === "postgres-down") {
    await cluster.postgres.stop(fault.how);
    await pass();
    await cluster.postgres.start();
    return { ...hit, worker: null, backAtMs: systemClock.now(), isAwayForAll: true };
  }
  if (fault.type === "node-killed") {
    const node = cluster.restate.nodes[fault.at];
    await node?.kill();
    await pass();
    await node?.start();
    return { ...hit, worker: null, backAtMs: systemClock.now(), isAwayForAll: false };
  }
  const worker = cluster.workers[fault.at];
  if (worker === undefined) throw new Error(`there is no worker ${fault.at}`);
  const { process, way } = worker;
  if (fault.type === "worker-frozen") process.freeze();
  else if (fault.type === "worker-cut-off") way.cut(fault.how);
  else if (fault.type === "worker-killed") await process.kill();
  else await process.terminate();
  await pass();
  if (fault.type === "worker-frozen") process.thaw();
  else if (fault.type === "worker-cut-off") way.heal();
  else await process.start();
  return { ...hit, worker: process.name, backAtMs: systemClock.now(), isAwayForAll: false };
}

async function untilRest({ db }: Load, onProgress: (what: string) => void): Promise<boolean> {
  let untilMs = systemClock.monotonicMs() + stuckMs;
  let left = -1;
  while (systemClock.monotonicMs() < untilMs) {
    const now = Number((await db.get("SELECT count(*) AS n FROM lh_task WHERE ended_at_ms IS NULL"))?.["n"]);
    if (now !== left) {
      onProgress(`${now} tasks left`);
      untilMs = systemClock.monotonicMs() + stuckMs;
    }
    left = now;
    if (left === 0) {
      await sleep(systemClock, calmMs);
      return true;
    }
    await sleep(systemClock, lookEveryMs);
  }
  return false;
}

/** What became of runs that have not ended, since their tasks were last seen to move. */
async function tellUndone({ db }: Load, witness: Witness): Promise<readonly string[]> {
  const rows = await db.all("SELECT run_id, status_since_ms FROM lh_task WHERE ended_at_ms IS NULL AND run_id IS NOT NULL LIMIT 10");
  const told: string[] = [];
  for (const row of rows) told.push([`run ${String(row["run_id"])} has not ended`, ...(await witness.tell(String(row["run_id"]), { fromMs: Number(row["status_since_ms"]), untilMs: systemClock.now() }))].join("\n    "));
  return told;
}

/** What Restate says of what it has not ended: for whoever looks for the cause. */
async function askRestate({ admin }: Cluster): Promise<readonly string[]> {
  const rows = await queryRestate(admin, "SELECT id, target, status, retry_count, last_start_at, modified_at, last_failure FROM sys_invocation WHERE status <> 'completed' LIMIT 50");
  return rows.map((row) => `not ended in Restate: ${JSON.stringify(row)}`);
}

async function listTasks({ db }: Load): Promise<readonly SeenTask[]> {
  const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);
  return (await db.all("SELECT agent, run_id, created_at_ms, started_at_ms, ended_at_ms FROM lh_task")).map((row) => ({
    agent: String(row["agent"]),
    runId: row["run_id"] === null ? null : String(row["run_id"]),
    createdAtMs: Number(row["created_at_ms"]),
    startedAtMs: numberOrNull(row["started_at_ms"]),
    endedAtMs: numberOrNull(row["ended_at_ms"]),
  }));
}
