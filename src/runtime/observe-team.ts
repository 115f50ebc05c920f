import type { Engine } from "../engine/engine.ts";
import { expectationDefaults, type AgentExpectation, type AgentObservation, type ScheduleObservation, type WaitingTask } from "../judge/observation.ts";
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
  const [open, ended] = await Promise.all([
    source.tasks.list({ agent: worker.name, statuses: ["queued", "running", "waiting"], limit: openTasksMax }),
    source.tasks.list({ agent: worker.name, statuses: ["done", "dead"], limit: endedTasksMax }),
  ]);
  const queued = open.filter((task) => task.status === "queued" && task.notBeforeAtMs <= nowMs);
  const running = open.filter((task) => task.status === "running");
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
    running: await Promise.all(running.map(async (task) => ({ taskId: task.id, startedAtMs: task.startedAtMs ?? task.createdAtMs, lastActivityAtMs: await lastActivityAtMs(source, task) }))),
    waiting: await Promise.all(open.filter((task) => task.status === "waiting").map((task) => toWaiting(source, task))),
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

async function toWaiting(source: ObservationSource, task: Task): Promise<WaitingTask> {
  return { taskId: task.id, reason: task.waitingReason ?? "timer", sinceMs: await lastActivityAtMs(source, task) };
}

async function lastActivityAtMs(source: ObservationSource, task: Task): Promise<number> {
  const [last] = await source.store.records.query({ taskId: task.id, limit: 1 });
  return last === undefined ? (task.startedAtMs ?? task.createdAtMs) : Date.parse(last.record.timestamp);
}

function minimum(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}
