import type { DeadReason, Task, TaskEnd } from "./task.ts";

/** Why a task stopped, in one word. `completed` is the only one of a task that is done, whatever its outcome is worth. */
export type StopReason =
  | "completed" | "canceled" | "budget"
  | "turn-cap" | "tool-call-cap" | "loop" | "deadline" | "active-time" | "step-cap" | "journal-cap" | "fan-out-cap" | "crash-cap"
  | "empty" | "truncated" | "refused" | "rejected" | "invalid-output" | "context-overflow"
  | "billing" | "auth"
  | "invalid-input" | "not-accepted" | "unknown-agent" | "foreign-await" | "compensation-failed" | "failed";

const ofDeadReason: Readonly<Record<DeadReason, StopReason>> = {
  failed: "failed", rejected: "rejected", empty: "empty", refused: "refused", truncated: "truncated", "context-overflow": "context-overflow",
  "turn-limit": "turn-cap", "tool-call-limit": "tool-call-cap", looping: "loop", deadline: "deadline", "active-time": "active-time",
  "invalid-input": "invalid-input", "invalid-output": "invalid-output", "not-accepted": "not-accepted", "unknown-agent": "unknown-agent",
  "recovery-limit": "crash-cap", billing: "billing", auth: "auth", "fan-out": "fan-out-cap", "foreign-await": "foreign-await", "step-limit": "step-cap", "journal-limit": "journal-cap",
  "compensation-failed": "compensation-failed",
};

/** Why a task that ended did. */
export function stopReasonOfEnd(end: TaskEnd): StopReason {
  if (end.status === "done") return "completed";
  return end.status === "canceled" ? "canceled" : ofDeadReason[end.reason];
}

/** Why a task stopped; null while it goes on. One that waits for a budget has stopped until somebody raises it or the day ends. */
export function stopReasonOf({ end, waitingReason }: Pick<Task, "end" | "waitingReason">): StopReason | null {
  if (end !== null) return stopReasonOfEnd(end);
  return waitingReason === "budget" ? "budget" : null;
}
