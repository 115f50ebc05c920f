import { assert } from "../base/assert.ts";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject } from "../base/json.ts";
import { toFailure, type Failure } from "../record/failure.ts";
import type { StepIdentity, StepKind } from "../record/step.ts";
import type { CountedCrashes } from "./engine.ts";
import type { EndedStep } from "./journaled-step.ts";
import { isEnded, isLegalTransition, isOwnWait, type DeadReason, type Task, type TaskEnd } from "../record/task.ts";
import type { EngineLimits } from "./limits.ts";

/** A task with what only the engine knows of it. */
export interface TaskState extends Task {
  readonly recoveriesWithoutProgress: number;
  /** Those of them in which the process ran out of memory. */
  readonly outOfMemoryWithoutProgress: number;
  /** How long it executed before its current slot. */
  readonly activeMs: number;
}

export type TaskFields = Partial<Omit<TaskState, "id" | "status">> & Pick<TaskState, "status">;

/** What a task is after it went from one status to another. */
export function computeMoved<T extends TaskState>(task: T, fields: TaskFields, atMs: number): T {
  assert(isLegalTransition(task.status, fields.status), `task ${task.id} cannot go from ${task.status} to ${fields.status}`);
  const isTakenUp = (fields.status === "running" && task.startedAtMs === null) || (task.waitingReason !== null && !isOwnWait(task.waitingReason));
  return { ...task, waitingReason: null, statusSinceMs: atMs, openSinceMs: isTakenUp ? atMs : task.openSinceMs, ...fields };
}

/** Kinds of steps in which nothing executes. */
const restingKinds: ReadonlySet<StepKind> = new Set(["wait", "child", "signal"]);

/** What steps took that began since this instant: of a slot whose process was lost, all that is known of how long it executed. Steps beside one another count once. */
export function executedMsSince(steps: readonly Pick<EndedStep, "kind" | "startedAtMs" | "completedAtMs">[], sinceMs: number): number {
  let executedMs = 0;
  let countedToMs = sinceMs;
  const executed = steps.filter(({ kind, startedAtMs }) => !restingKinds.has(kind) && startedAtMs >= sinceMs);
  for (const { startedAtMs, completedAtMs } of executed.toSorted((a, b) => a.startedAtMs - b.startedAtMs)) {
    executedMs += Math.max(0, completedAtMs - Math.max(startedAtMs, countedToMs));
    countedToMs = Math.max(countedToMs, completedAtMs);
  }
  return Math.round(executedMs);
}

/** What a crash that interrupted a task comes to: `end` is null while it may go on. Exhausted memory is the work's own doing more often than a crash is, and has a count of its own. */
export function computeRecovered<T extends TaskState>(task: T, limits: EngineLimits, ranOutOfMemory: boolean): { readonly counted: T; readonly crashes: CountedCrashes; readonly end: TaskEnd | null } {
  const { recoveriesMax, recoveriesWithoutProgressMax, outOfMemoryMax } = limits;
  const counted: T = {
    ...task,
    recoveries: task.recoveries + 1,
    recoveriesWithoutProgress: task.recoveriesWithoutProgress + 1,
    outOfMemoryWithoutProgress: task.outOfMemoryWithoutProgress + (ranOutOfMemory ? 1 : 0),
  };
  const mayGoOn = counted.recoveries <= recoveriesMax && counted.recoveriesWithoutProgress <= recoveriesWithoutProgressMax && counted.outOfMemoryWithoutProgress < outOfMemoryMax;
  const crashes = { withoutProgress: counted.recoveriesWithoutProgress, withoutProgressMax: recoveriesWithoutProgressMax, inAll: counted.recoveries, inAllMax: recoveriesMax };
  if (mayGoOn) return { counted, crashes, end: null };
  const exhausted = counted.outOfMemoryWithoutProgress === 0 ? "" : ` In ${counted.outOfMemoryWithoutProgress} of them the process ran out of memory.`;
  const message = `Task ${task.id} was executing in ${counted.recoveries} crashes, too many of them without a completed step between; at most ${recoveriesMax} in all, ${recoveriesWithoutProgressMax} without progress and ${outOfMemoryMax - 1} of exhausted memory are allowed.${exhausted} Find what kills the process, then restart the task.`;
  return { counted, crashes, end: { status: "dead", reason: "recovery-limit", failure: toFailure(new LonghaulError("ENGINE_RECOVERY_LIMIT", message)), evidence: { recoveries: counted.recoveries } } };
}

/** The end of a task whose code threw, or has to be stopped. An error whose details name a `deadReason` decides it. */
export function deadEnd(reason: DeadReason, error: unknown): TaskEnd {
  const failure = toFailure(error);
  const named = failure.details["deadReason"];
  return { status: "dead", reason: typeof named === "string" ? (named as DeadReason) : reason, failure, evidence: null };
}

/** @throws {TASK_STATE} unless the task is dead, canceled or parked. */
export function assertRestartable(task: Task): void {
  if (task.status === "dead" || task.status === "canceled" || isParked(task)) return;
  const way = task.status === "done" ? `Begin a new task with \`longhaul fork ${task.id} --from 1\`.` : `See its state with \`longhaul show ${task.id}\`.`;
  throw new LonghaulError("TASK_STATE", `Task ${task.id} is ${task.status}; only a dead, canceled or parked (code-mismatch) task is restarted. ${way}`);
}

/** A restarted task. A deadline that has passed is set anew, as far away as it was at first. Crashes in all stay counted. */
export function restartedFields(task: Task, atMs: number, { runId, isAwaited }: { readonly runId: string | null; readonly isAwaited: boolean }): TaskFields {
  return {
    status: "queued", end: null, endedAtMs: null, startedAtMs: null, runId,
    parentRunId: isAwaited ? task.parentRunId : null,
    deadlineAtMs: task.deadlineAtMs > atMs ? task.deadlineAtMs : atMs + task.deadlineAtMs - task.createdAtMs,
    recoveriesWithoutProgress: 0,
    outOfMemoryWithoutProgress: 0,
    activeMs: 0,
  };
}

/** True of a task that may be what kills the process: it executes only while no other such task does, so that the next crash names its culprit. */
export function isSuspect({ recoveriesWithoutProgress, outOfMemoryWithoutProgress }: TaskState, { recoveriesIsolatedAbove }: EngineLimits): boolean {
  return outOfMemoryWithoutProgress > 0 || recoveriesWithoutProgress > recoveriesIsolatedAbove;
}

/** @throws {TASK_STATE} unless the task's run is parked. */
export function assertSkippable<T extends Task>(task: T): asserts task is T & { readonly runId: string } {
  if (isParked(task) && task.runId !== null) return;
  const state = `${task.status}${task.waitingReason === null ? "" : `(${task.waitingReason})`}`;
  throw new LonghaulError("TASK_STATE", `Task ${task.id} is ${state}; only one whose run is parked (code-mismatch) has a step to skip. See its state with \`longhaul show ${task.id}\`.`);
}

/** The step that the journal holds and the code did not ask for. @throws {TASK_STATE} when the whole journal is of another version. */
export function skippedStep(taskId: string, runId: string, mismatch: Failure | null): StepIdentity {
  const step = mismatch?.details["expectedStep"];
  if (step !== undefined && isJsonObject(step)) return step as unknown as StepIdentity;
  throw new LonghaulError("TASK_STATE", `The journal of run ${runId} is of another version of longhaul: no single step can be skipped. Run it with the version that it began with, or type: longhaul restart ${taskId}`);
}

function isParked({ status, waitingReason }: Task): boolean {
  return status === "waiting" && waitingReason === "code-mismatch";
}

/** Why a step does not act for a task that is over. */
export function reasonOfEnd(taskId: string, end: TaskEnd): LonghaulError {
  if (end.status === "canceled") return new LonghaulError("TASK_CANCELED", `Task ${taskId} was canceled: ${end.reason}`);
  if (end.status === "dead" && end.reason === "active-time") return new LonghaulError("TASK_ACTIVE_TIME", end.failure.message);
  if (end.status === "dead" && end.reason === "deadline") return new LonghaulError("TASK_DEADLINE", end.failure.message);
  return new LonghaulError("TASK_STATE", `Task ${taskId} is ${end.status}; what a step does after that is dropped.`);
}

/** False when nothing is left to cancel. */
export function isOpen({ status }: Task): boolean {
  return !isEnded(status);
}
