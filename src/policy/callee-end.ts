import type { DeadReason, TaskEnd } from "../record/task.ts";
import type { CallEnd } from "./breaker.ts";

/**
 * What the end of a called task says of the agent or flow that was called: `bad` when it could not do its work, `good` when it did, be it with a no,
 * `none` when it had nothing to work on.
 */
export function endOfCallee(end: TaskEnd): CallEnd {
  if (end.status === "done") return "good";
  return end.status === "canceled" ? "none" : ofDeadReason[end.reason];
}

const ofDeadReason: Readonly<Record<DeadReason, CallEnd>> = {
  rejected: "good", refused: "good",
  "invalid-input": "none", "not-accepted": "none",
  failed: "bad", empty: "bad", truncated: "bad", "context-overflow": "bad", "turn-limit": "bad", "tool-call-limit": "bad", looping: "bad", deadline: "bad", "active-time": "bad",
  "invalid-output": "bad", "unknown-agent": "bad", "recovery-limit": "bad", billing: "bad", auth: "bad", "fan-out": "bad", "foreign-await": "bad", "step-limit": "bad", "journal-limit": "bad",
  "compensation-failed": "bad",
};
