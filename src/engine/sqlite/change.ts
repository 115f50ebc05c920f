import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { Task, TaskEnd } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import type { ObserveTask, TaskChange } from "../engine.ts";
import type { JournaledStep } from "../journaled-step.ts";
import type { EngineLimits } from "../limits.ts";
import type { ClaimedRun } from "./claimed-run.ts";
import type { QueueBounds } from "./queue-bounds.ts";

/** What a change brings about in memory, once it is on disk. */
export interface Effects {
  /** Tasks as they are now, in the order of their changes; the very objects that the observer was given. */
  readonly changed: Task[];
  /** Runs that were given a slot. */
  readonly claimed: ClaimedRun[];
  /** Steps that were completed, for runs that are in memory. */
  readonly completed: { readonly runId: string; readonly step: JournaledStep }[];
  /** Runs that gave up their slot without having ended. */
  readonly left: { readonly runId: string; readonly how: "suspended" | "parked" | "released" }[];
  readonly ended: { readonly taskId: string; readonly runId: string | null; readonly end: TaskEnd }[];
  /** The agents into whose queues a task came. */
  readonly queued: string[];
  /** True when a task proved harmless for which others had to wait, whosever they are. */
  hasCleared: boolean;
  /** The earliest instant at which something falls due that was not known before. */
  dueAtMs: number;
}

/** One change of the data file in the making: everything that a commit job needs, and what it brings about. */
export interface Change {
  readonly db: SqliteDatabase;
  /** The one instant of this change. */
  readonly atMs: number;
  readonly limits: EngineLimits;
  readonly observe: ObserveTask;
  readonly effects: Effects;
  readonly queues: QueueBounds;
  /** True while the body of a step of this run executes in this process. */
  readonly isActing: (runId: string) => boolean;
  /** Writes beside the engine's own rows, in the same commit. @throws what a guard refuses with. */
  write(writes: readonly Write[]): void;
}

export function noEffects(): Effects {
  return { changed: [], claimed: [], completed: [], left: [], ended: [], queued: [], hasCleared: false, dueAtMs: Number.POSITIVE_INFINITY };
}

/** Tells the observer of a task that came or moved, and makes the writes that it asks for. */
export function observeChange(change: Change, told: TaskChange): void {
  change.effects.changed.push(told.task);
  change.write(change.observe(told));
}

/** A task came into the queue: it gets a slot now or at its instant, and it has a deadline. */
export function noteQueued(change: Change, { agent, notBeforeAtMs, deadlineAtMs }: { readonly agent: string; readonly notBeforeAtMs: number; readonly deadlineAtMs: number }): void {
  change.effects.queued.push(agent);
  noteDue(change, notBeforeAtMs > change.atMs ? Math.min(notBeforeAtMs, deadlineAtMs) : deadlineAtMs);
}

export function noteDue(change: Change, atMs: number): void {
  change.effects.dueAtMs = Math.min(change.effects.dueAtMs, atMs);
}
