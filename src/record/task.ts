import type { Json } from "../base/json.ts";
import type { Failure } from "./failure.ts";

/** `queued → running ⇄ waiting(reason) → done | dead | canceled`. */
export type TaskStatus = "queued" | "running" | "waiting" | "done" | "dead" | "canceled";

export const taskStatuses: readonly TaskStatus[] = ["queued", "running", "waiting", "done", "dead", "canceled"];

export type WaitingReason =
  | "timer" | "human" | "signal" | "child" | "retry" | "breaker" | "rate-limit" | "budget" | "concurrency" | "dependency" | "paused"
  | "code-mismatch" | "unknown-effect";

/** Waits after which the team itself tries again: as long as they follow each other, the work is as open as if it ran. */
export function isOwnWait(reason: WaitingReason): boolean {
  return reason === "retry" || reason === "breaker" || reason === "rate-limit" || reason === "concurrency" || reason === "dependency";
}

/** How much a `done` is worth: accepted with evidence, no verifier declared, or a fallback or partial result. */
export type Outcome = "verified" | "unverified" | "degraded";

/** What an output lacks that nobody accepted it for. */
export type Doubt = Exclude<Outcome, "verified">;

export const outcomes: readonly Outcome[] = ["verified", "unverified", "degraded"];

/** Why a task will not be tried again without a decision. */
export type DeadReason =
  | "failed" | "rejected" | "empty" | "refused" | "truncated" | "context-overflow" | "turn-limit" | "tool-call-limit" | "looping" | "deadline" | "active-time" | "invalid-input" | "invalid-output" | "not-accepted"
  | "unknown-agent" | "recovery-limit" | "billing" | "auth" | "fan-out" | "foreign-await" | "step-limit" | "journal-limit" | "compensation-failed";

/** What a task came to. */
export type TaskEnd =
  | { readonly status: "done"; readonly outcome: Outcome; readonly output: Json; readonly evidence: Json; readonly reason: string | null }
  | { readonly status: "dead"; readonly reason: DeadReason; readonly failure: Failure; readonly evidence: Json }
  | { readonly status: "canceled"; readonly reason: string };

/** A task that is to be started. */
export interface NewTask {
  readonly id: string;
  readonly agent: string;
  readonly input: Json;
  /** Idempotency key: within the window a task with this key starts once. Null: always start. */
  readonly key: string | null;
  /** Higher first. */
  readonly priority: number;
  /** Not before this instant. 0: at once, also when the wall clock is set back after it was queued. */
  readonly notBeforeAtMs: number;
  /** Absolute end of the task; after it the task is dead(deadline). */
  readonly deadlineAtMs: number;
  /** How deep in calls: 0 for a task that no run started. */
  readonly depth: number;
  /** What asked for it, for people: "trigger every(15m)", "api", "cli", "run r_…". */
  readonly source: string;
  /** What the outputs of other tasks were worth that its input may be made of, as far as they were not verified. Default: none came from another task. */
  readonly doubts?: readonly Doubt[];
}

/** A task with all that is known of it. */
export interface Task extends NewTask {
  readonly doubts: readonly Doubt[];
  readonly status: TaskStatus;
  readonly waitingReason: WaitingReason | null;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** When it came into its status. */
  readonly statusSinceMs: number;
  /** Since when its end has been the team's own business: its creation, its first start, or the end of its last wait for time, people or other work. */
  readonly openSinceMs: number;
  /** The run that is current, null until the task first runs. */
  readonly runId: string | null;
  /** The run that called this one and waits for it. */
  readonly parentRunId: string | null;
  /** Crashes that interrupted a step of this task, in all. */
  readonly recoveries: number;
  readonly end: TaskEnd | null;
}

const legal: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  queued: ["running", "dead", "canceled"],
  running: ["waiting", "queued", "done", "dead", "canceled"],
  waiting: ["running", "queued", "dead", "canceled"],
  done: [],
  dead: ["queued"],
  canceled: ["queued"],
};

/** True when a task may go from one status to the other. A dead or canceled task is queued again only by `restart`. */
export function isLegalTransition(from: TaskStatus, to: TaskStatus): boolean {
  return legal[from].includes(to);
}

export function isEnded(status: TaskStatus): boolean {
  return status === "done" || status === "dead" || status === "canceled";
}

/** As a column keeps them; null for none. */
export function doubtsToText(doubts: readonly Doubt[] = []): string | null {
  return doubts.length === 0 ? null : doubts.join(",");
}

export function doubtsFromText(text: unknown): readonly Doubt[] {
  return typeof text === "string" ? (text.split(",") as readonly Doubt[]) : [];
}
