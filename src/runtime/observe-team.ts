import { expectationDefaults, type AgentExpectation, type AgentObservation, type RunningTask, type ScheduleObservation } from "../judge/observation.ts";
import type { AgentProgress, Store } from "../store/store.ts";
import type { AgentTasksOf, SeenTask } from "./agent-tasks.ts";
import type { Manifest, ManifestWorker } from "./manifest.ts";

/** What an observation is made from; the live team and an operator's read-only view both have it. */
export interface ObservationSource {
  readonly tasksOf: AgentTasksOf;
  readonly store: Pick<Store, "records" | "triggers" | "progress">;
}

export interface JudgedAgent {
  readonly observation: AgentObservation;
  readonly expectation: AgentExpectation;
}

/** Everything that the health judge wants to know of every agent and flow at `nowMs`. */
export async function observeTeam(source: ObservationSource, manifest: Manifest, nowMs: number): Promise<readonly JudgedAgent[]> {
  const [progress, states] = await Promise.all([source.store.progress.all(), source.store.triggers.all()]);
  const progressOf = new Map(progress.map((entry) => [entry.agent, entry]));
  return Promise.all(
    manifest.workers.map(async (worker) => ({
      observation: await observeWorker(source, manifest, worker, progressOf.get(worker.name) ?? null, schedulesOf(worker, states), nowMs),
      expectation: { progressWithinMs: worker.progressWithinMs, ...expectationDefaults },
    })),
  );
}

/**
 * Observes the same team again and again. While nothing was committed and nothing waits for its instant, the last observation still holds: verdicts get worse
 * with time, observations do not.
 */
export function createTeamObserver(source: ObservationSource, manifestNow: () => Manifest, commits: () => number): (nowMs: number) => Promise<readonly JudgedAgent[]> {
  let last: { readonly commits: number; readonly agents: readonly JudgedAgent[] } | null = null;
  return async (nowMs) => {
    if (last?.commits === commits()) return last.agents;
    const before = commits();
    const manifest = manifestNow();
    let hasQueued = false;
    const tasksOf: AgentTasksOf = async (agent) => {
      const tasks = await source.tasksOf(agent);
      hasQueued ||= tasks.queued.length > 0;
      return tasks;
    };
    const agents = await observeTeam({ ...source, tasksOf }, manifest, nowMs);
    last = hasQueued ? null : { commits: before, agents };
    return agents;
  };
}

async function observeWorker(source: ObservationSource, manifest: Manifest, worker: ManifestWorker, progress: AgentProgress | null, schedules: readonly ScheduleObservation[], nowMs: number): Promise<AgentObservation> {
  const { queued: open, running, waiting, ended } = await source.tasksOf(worker.name);
  const queued = open.filter((task) => task.notBeforeAtMs <= nowMs);
  const lastProgressAtMs = progress?.lastAtMs ?? null;
  const since = endedSinceProgress(ended, progress);
  const lastDone = ended.findIndex((task) => task.status === "done");
  return {
    agent: worker.name,
    observedSinceMs: manifest.awakeSinceMs,
    firesSinceMs: manifest.firesSinceMs ?? manifest.awakeSinceMs,
    progressSinceMs: worker.progressSinceMs,
    queued: queued.length,
    oldestQueuedAtMs: minimum(queued.map((task) => Math.max(task.createdAtMs, task.notBeforeAtMs))),
    running: await Promise.all(running.map((task) => toRunning(source, task))),
    waiting: waiting.map((task) => ({ taskId: task.id, reason: task.waitingReason ?? "timer", sinceMs: task.statusSinceMs, openSinceMs: task.openSinceMs })),
    paused: false,
    lastProgressAtMs,
    progressCount: progress?.count ?? 0,
    doneSinceProgress: since.filter((task) => task.status === "done").length,
    deadSinceProgress: since.filter((task) => task.status === "dead").length,
    firstEndSinceProgressAtMs: minimum(since.map((task) => task.endedAtMs ?? task.createdAtMs)),
    lastEndedAtMs: ended[0]?.endedAtMs ?? null,
    consecutiveDead: lastDone === -1 ? ended.length : lastDone,
    lastDeadReason: ended[0]?.deadReason ?? null,
    degraded: (await findStandIn(source, [...running, ...waiting.slice(0, waitingLookedAtMax)])) ?? ended.find((task) => task.status === "done")?.degraded ?? null,
    schedules,
    slotsFree: Math.max(0, worker.concurrency - running.length),
  };
}

/** What ended after the task that last moved the counter. Ends are compared with its end, not with its progress: tasks that ran at the same time moved it too. */
function endedSinceProgress(ended: readonly SeenTask[], progress: AgentProgress | null): readonly SeenTask[] {
  if (progress === null || progress.lastAtMs === null) return ended;
  const sinceMs = ended.find((task) => isMovedBy(progress, task))?.endedAtMs ?? progress.lastAtMs;
  // The latest end comes first.
  const before = ended.findIndex((task) => (task.endedAtMs ?? 0) <= sinceMs);
  return before === -1 ? ended : ended.slice(0, before);
}

/** A progress of a task's end is named `<task>/<run>`. */
function isMovedBy({ lastId }: AgentProgress, { id, runId }: SeenTask): boolean {
  return lastId !== null && lastId.startsWith(id) && lastId === `${id}/${runId ?? ""}`;
}

function schedulesOf(worker: ManifestWorker, states: Awaited<ReturnType<Store["triggers"]["all"]>>): readonly ScheduleObservation[] {
  return worker.triggers.flatMap(({ triggerId, intervalMs }) => {
    const state = states.get(triggerId);
    const nextAtMs = state?.["nextAtMs"];
    const lastFiredAtMs = state?.["lastFiredAtMs"];
    if (intervalMs === null || typeof nextAtMs !== "number") return [];
    return [{ triggerId, nextAtMs, intervalMs, lastReceiptAtMs: typeof lastFiredAtMs === "number" ? lastFiredAtMs : null }];
  });
}

/** Waiting tasks that are looked at for what stood in: the oldest. */
const waitingLookedAtMax = 5;

/** What stood in so far in a task that is not at its end: it may run for weeks on another model. Null when nothing did. */
async function findStandIn({ store }: ObservationSource, open: readonly SeenTask[]): Promise<string | null> {
  const told = await Promise.all(open.map(({ id }) => store.records.query({ taskId: id, eventTypes: ["decision"], result: "fallback", limit: 1 })));
  const record = told.flat()[0]?.record;
  return record === undefined ? null : `task ${record.task_id ?? ""}: ${record.reason ?? "something stood in"}`;
}

async function toRunning(source: ObservationSource, { id, statusSinceMs, openSinceMs }: SeenTask): Promise<RunningTask> {
  const [last] = await source.store.records.query({ taskId: id, limit: 1 });
  return { taskId: id, startedAtMs: statusSinceMs, openSinceMs, lastActivityAtMs: last === undefined ? statusSinceMs : Date.parse(last.record.timestamp) };
}

function minimum(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}
