import type { Json } from "../base/json.ts";
import { type StopReason, stopReasonOf } from "../record/stop-reason.ts";
import type { Doubt, Outcome, Task, TaskStatus } from "../record/task.ts";

/** A task as applications see it. Instants are ISO-8601 in UTC. */
export interface TaskView {
  readonly id: string;
  readonly agent: string;
  readonly status: TaskStatus;
  readonly waitingReason: string | null;
  readonly key: string | null;
  readonly runId: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly input: Json;
  /** What outputs of other tasks were worth that the input may come from, as far as they were not verified. */
  readonly doubts: readonly Doubt[];
  /** Of a done task. */
  readonly outcome: Outcome | null;
  readonly output: Json;
  readonly evidence: Json;
  /** Why it stopped: "completed", "turn-cap", "budget"; null while it goes on. */
  readonly stopReason: StopReason | null;
  /** Why it is dead, canceled or degraded. */
  readonly reason: string | null;
  readonly message: string | null;
}

export function toTaskView(task: Task): TaskView {
  const { end } = task;
  return {
    id: task.id,
    agent: task.agent,
    status: task.status,
    waitingReason: task.waitingReason,
    key: task.key,
    runId: task.runId,
    createdAt: new Date(task.createdAtMs).toISOString(),
    startedAt: task.startedAtMs === null ? null : new Date(task.startedAtMs).toISOString(),
    endedAt: task.endedAtMs === null ? null : new Date(task.endedAtMs).toISOString(),
    input: task.input,
    doubts: task.doubts,
    outcome: end?.status === "done" ? end.outcome : null,
    output: end?.status === "done" ? end.output : null,
    evidence: end !== null && end.status !== "canceled" ? end.evidence : null,
    stopReason: stopReasonOf(task),
    reason: end?.reason ?? null,
    message: end?.status === "dead" ? end.failure.message : null,
  };
}
