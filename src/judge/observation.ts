import type { DeadReason, WaitingReason } from "../record/task.ts";

/** What is known of one agent at one instant. Plain data, filled from the store and the engine. */
export interface AgentObservation {
  readonly agent: string;
  /** When this team started: what it did not see (downtime) counts neither for nor against the agent. */
  readonly observedSinceMs: number;
  /** Since when its schedules can fire: what fell due before is made up from then on. */
  readonly firesSinceMs: number;
  /** From when on progress is expected at the earliest: the start, or an earlier one when the team was down only for a moment since. A restart accomplishes nothing. */
  readonly progressSinceMs: number;
  /** Tasks that could start now: not those with a later `notBeforeAtMs`. */
  readonly queued: number;
  /** Since when the oldest of them could start; null when none is queued. */
  readonly oldestQueuedAtMs: number | null;
  readonly running: readonly RunningTask[];
  readonly waiting: readonly WaitingTask[];
  readonly paused: boolean;
  /** When accepted work last moved the progress counter; null when it never did. */
  readonly lastProgressAtMs: number | null;
  readonly progressCount: number;
  /** Tasks that ended `done` after the last progress. */
  readonly doneSinceProgress: number;
  /** Tasks that ended `dead` after the last progress. */
  readonly deadSinceProgress: number;
  /** The earliest of those ends, done or dead; null when there is none. */
  readonly firstEndSinceProgressAtMs: number | null;
  /** The latest end of a task of this agent, whatever it came to; null when none ended. */
  readonly lastEndedAtMs: number | null;
  /** Tasks that ended `dead` since the last one that ended `done`. */
  readonly consecutiveDead: number;
  /** Why the last of them died; null when there is none. */
  readonly lastDeadReason: DeadReason | null;
  /** What stood in, in a task that goes on, or else in the last one that ended `done`; null when nothing did. */
  readonly degraded: string | null;
  readonly schedules: readonly ScheduleObservation[];
  readonly slotsFree: number;
}

export interface RunningTask {
  readonly taskId: string;
  /** Since when the team itself owes it an end: retries and the waits between them go on counting. */
  readonly openSinceMs: number;
  /** When it began to run, or went on after its last wait. */
  readonly startedAtMs: number;
  /** The latest step, chunk or heartbeat that was seen of it. */
  readonly lastActivityAtMs: number;
}

export interface WaitingTask {
  readonly taskId: string;
  readonly reason: WaitingReason;
  readonly sinceMs: number;
  /** As of a running task; counts for waits that the team itself ends. */
  readonly openSinceMs: number;
}

export interface ScheduleObservation {
  readonly triggerId: string;
  /** The firing that is expected next; in the past when it is late. */
  readonly nextAtMs: number;
  readonly intervalMs: number;
  /** The latest receipt of this trigger, whatever its result; null when there is none. */
  readonly lastReceiptAtMs: number | null;
}

/** What an agent is held to. */
export interface AgentExpectation {
  /** Accepted work at least this often while there is work. */
  readonly progressWithinMs: number;
  /** This many dead tasks in a row, none done between them, are a failure of the agent. */
  readonly consecutiveDeadMax: number;
  /** The longest legitimate silence of one step. */
  readonly activityWithinMs: number;
}

/** For what a team does not say: 3 dead tasks in a row; 11 minutes, which is the longest model call (10 min) and a minute of grace. */
export const expectationDefaults = { consecutiveDeadMax: 3, activityWithinMs: 660_000 } as const satisfies Partial<AgentExpectation>;
