import type { Engine, TaskFilter } from "../engine/engine.ts";
import { expectationDefaults, type AgentExpectation, type AgentObservation, type RunningTask, type ScheduleObservation } from "../judge/observation.ts";
import type { Task } from "../record/task.ts";
import type { AgentProgress, Store } from "../store/store.ts";
import type { Manifest, ManifestWorker } from "./manifest.ts";

/** What an observation is made from; the live team and an operator's read-only view both have it. */
export interface ObservationSource {
  readonly tasks: Pick<Engine, "list">;
  readonly store: Pick<Store, "records" | "triggers" | "progress">;
}

export interface JudgedAgent {
  readonly observation: AgentObservation;
  readonly expectation: AgentExpectation;
}

/** Ended tasks of an agent that are looked at, newest first. */
const endedTasksMax = 100;
/** Open tasks of an agent that are looked at one by one. */
const openTasksMax = 1_000;

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

async function observeWorker(source: ObservationSource, manifest: Manifest, worker: ManifestWorker, progress: AgentProgress | null, schedules: readonly ScheduleObservation[], nowMs: number): Promise<AgentObservation> {
  const list = (filter: TaskFilter): Promise<readonly Task[]> => source.tasks.list({ agent: worker.name, ...filter });
  // One list for each: a long queue must not push what runs or waits out of sight, and the oldest is what matters.
  const [open, running, waiting, ended] = await Promise.all([
    list({ statuses: ["queued"], limit: openTasksMax, first: "oldest" }),
    list({ statuses: ["running"], limit: openTasksMax }),
    list({ statuses: ["waiting"], limit: openTasksMax, first: "oldest" }),
    list({ statuses: ["done", "dead"], limit: endedTasksMax }),
  ]);
  const queued = open.filter((task) => task.notBeforeAtMs <= nowMs);
  const lastProgressAtMs = progress?.lastAtMs ?? null;
  const since = endedSinceProgress(ended, progress);
  const newestFirst = ended.toSorted((a, b) => (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0));
  const lastDone = newestFirst.findIndex((task) => task.status === "done");
  const lastDead = newestFirst.find((task) => task.end?.status === "dead")?.end;
  return {
    agent: worker.name,
    observedSinceMs: manifest.startedAtMs,
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
    lastEndedAtMs: newestFirst[0]?.endedAtMs ?? null,
    consecutiveDead: lastDone === -1 ? newestFirst.length : lastDone,
    lastDeadReason: lastDead?.status === "dead" ? lastDead.reason : null,
    schedules,
    slotsFree: Math.max(0, worker.concurrency - running.length),
  };
}

/** What ended after the task that last moved the counter. Ends are compared with its end, not with its progress: tasks that ran at the same time moved it too. */
function endedSinceProgress(ended: readonly Task[], progress: AgentProgress | null): readonly Task[] {
  if (progress === null || progress.lastAtMs === null) return ended;
  const mover = ended.find((task) => progress.lastId === `${task.id}/${task.runId ?? ""}`);
  const sinceMs = mover?.endedAtMs ?? progress.lastAtMs;
  return ended.filter((task) => (task.endedAtMs ?? 0) > sinceMs);
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

async function toRunning(source: ObservationSource, { id, statusSinceMs, openSinceMs }: Task): Promise<RunningTask> {
  const [last] = await source.store.records.query({ taskId: id, limit: 1 });
  return { taskId: id, startedAtMs: statusSinceMs, openSinceMs, lastActivityAtMs: last === undefined ? statusSinceMs : Date.parse(last.record.timestamp) };
}

function minimum(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}
