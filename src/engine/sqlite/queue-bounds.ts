import type { SqliteDatabase } from "../../db/sqlite.ts";
import { countQueued } from "./tasks.ts";

/**
 * How long the queues are at the most, so that a start need not count a queue of thousands. A bound grows with each task that comes and is counted anew only
 * when it reaches the limit: tasks that left meanwhile make it too high and never too low. What was counted in a commit that was undone is forgotten. Valid for
 * the file's only writer.
 */
export class QueueBounds {
  readonly #bounds = new Map<string, number>();

  /** Notes a task that comes into the queue. Returns how many are in it when it is full, else null. */
  enter(db: SqliteDatabase, agent: string, queueMax: number): number | null {
    const bound = this.#bounds.get(agent);
    const queued = bound === undefined || bound >= queueMax ? countQueued(db, agent) : bound;
    this.#bounds.set(agent, queued + 1);
    return queued >= queueMax ? queued : null;
  }

  /** A commit was undone: tasks that had left in it are back. */
  forget(): void {
    this.#bounds.clear();
  }

  /** A task came back into the queue, whatever its length. */
  note(agent: string): void {
    const bound = this.#bounds.get(agent);
    if (bound !== undefined) this.#bounds.set(agent, bound + 1);
  }
}
