import { formatDuration } from "../base/duration.ts";
import { stopReasonOf } from "../record/stop-reason.ts";
import type { Task } from "../record/task.ts";
import type { OpenQuestion } from "../runtime/open-questions.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable.ts";
import type { Column } from "./table.ts";

/** "waiting(budget)", "done(verified)", "dead(rejected)", "running". */
export function describeStatus({ status, waitingReason, end }: Pick<Task, "status" | "waitingReason" | "end">): string {
  if (status === "waiting") return `waiting(${waitingReason ?? "unknown"})`;
  if (end?.status === "done") return `done(${end.outcome})`;
  return end?.status === "dead" ? `dead(${end.reason})` : status;
}

export interface TaskColumnsOptions {
  /** What the tasks wait for a person's word about. */
  readonly questions?: readonly OpenQuestion[];
  /** What the breaker is of that a task waits for, by the task's id. */
  readonly breakers?: ReadonlyMap<string, string>;
  /** Whether it is told why those that ended stopped. */
  readonly ended?: boolean;
}

/** The columns of a list of tasks. */
export function taskColumns(nowMs: number, style: Output["style"], { questions = [], breakers = new Map(), ended = false }: TaskColumnsOptions = {}): readonly Column<Task>[] {
  return [
    { title: "task", value: ({ id }) => id },
    { title: "agent", value: ({ agent }) => agent },
    { title: "status", value: (task) => style(statusStyle(task), describeStatus(task)) },
    ...(ended ? [stopColumn<Task>((task) => task)] : []),
    { title: "age", value: ({ createdAtMs }) => ageOf(createdAtMs, nowMs), align: "right" },
    { title: "took", value: (task) => (task.endedAtMs === null ? "" : formatDuration(task.endedAtMs - (task.startedAtMs ?? task.createdAtMs))), align: "right" },
    { title: "what", value: (task) => printableLine(noteOf(task, questions, breakers.get(task.id))), grows: true },
  ];
}

/** Why a task stopped; nothing while it goes on. */
export function stopColumn<Row>(taskOf: (row: Row) => Pick<Task, "end" | "waitingReason">): Column<Row> {
  return { title: "stopped", value: (row) => stopReasonOf(taskOf(row)) ?? "" };
}

/** How long ago, for people. */
export function ageOf(atMs: number, nowMs: number): string {
  return formatDuration(Math.max(0, nowMs - atMs));
}

export function statusStyle({ status, waitingReason, end }: Pick<Task, "status" | "waitingReason" | "end">): Parameters<Output["style"]>[0] {
  switch (status) {
    case "done":
      return end?.status === "done" && end.outcome === "degraded" ? "yellow" : "green";
    case "dead":
      return "red";
    case "running":
      return "cyan";
    case "waiting":
      return waitingReason === "child" || waitingReason === "timer" ? [] : "yellow";
    case "queued":
    case "canceled":
      return "dim";
  }
}

/** "pay waits to be allowed". */
export function describeWaitingCall({ tool, call, kind }: OpenQuestion): string {
  return `${tool ?? call} ${kind === "permission" ? "waits to be allowed" : "may have happened"}`;
}

function noteOf({ id, end, key, source, input }: Task, questions: readonly OpenQuestion[], breaker: string | undefined): string {
  const asked = questions.filter(({ task }) => task.id === id);
  if (asked.length > 0) return `${asked.map(describeWaitingCall).join("; ")}: longhaul approve`;
  if (breaker !== undefined) return `${breaker} is not called for now: longhaul breakers`;
  if (end?.status === "dead") return end.failure.message;
  if (end?.status === "canceled") return end.reason;
  if (end?.status === "done" && end.reason !== null) return end.reason;
  if (end?.status === "done" && end.output !== null) return JSON.stringify(end.output);
  return key ?? (input === null ? source : JSON.stringify(input));
}
