import type { PostgresSession } from "../../db/postgres.ts";
import type { Task, TaskEnd } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import type { ObserveTask } from "../engine.ts";
import type { EngineLimits } from "../limits.ts";

/** What a change brings about elsewhere, once it is committed. */
export interface Effects {
  /** Agents whose queue or slots changed: they are looked at. */
  readonly agents: Set<string>;
  readonly ended: EndedTask[];
  /** Activations that are to be told of a completed wait. */
  readonly bells: Bell[];
  /** True when a task proved harmless for which others had to wait. */
  hasCleared: boolean;
  /** The earliest instant at which something falls due that was not known before. */
  dueAtMs: number;
}

export type EndedTask = Task & { readonly end: TaskEnd };

export interface Bell {
  /** lh_bell.position. */
  readonly position: number;
  readonly awakeable: string;
  /** The completed step, as JSON. */
  readonly step: string;
}

/** One transaction of the engine in the making. It may be tried again: nothing but `effects` leaves it before its commit. */
export interface Change {
  readonly db: PostgresSession;
  /** The one instant of this change. */
  readonly atMs: number;
  readonly limits: EngineLimits;
  readonly observe: ObserveTask;
  readonly effects: Effects;
  /** lh_task.serial of the tasks that were locked for the sake of an end (task-locks.ts). */
  readonly locked: Set<number>;
  /** Writes beside the engine's own rows, in the same transaction: guards now, the rest before the commit, whatever came first. Rejects with what a guard refuses with. */
  write(writes: readonly Write[]): Promise<void>;
}

export function noEffects(): Effects {
  return { agents: new Set(), ended: [], bells: [], hasCleared: false, dueAtMs: Number.POSITIVE_INFINITY };
}

/** A task came into the queue: it gets a slot now or at its instant, and it has a deadline. */
export function noteQueued(change: Change, { agent, notBeforeAtMs, deadlineAtMs }: { readonly agent: string; readonly notBeforeAtMs: number; readonly deadlineAtMs: number }): void {
  change.effects.agents.add(agent);
  noteDue(change, notBeforeAtMs > change.atMs ? Math.min(notBeforeAtMs, deadlineAtMs) : deadlineAtMs);
}

export function noteDue(change: Change, atMs: number): void {
  change.effects.dueAtMs = Math.min(change.effects.dueAtMs, atMs);
}
