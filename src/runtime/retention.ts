import { sleep, type Clock, type Timer } from "../base/clock.ts";
import { isLonghaulError } from "../base/error.ts";
import type { DueTask, Engine } from "../engine/engine.ts";
import { computeForgettable, type Forgettable, type RetentionPolicy } from "../policy/retention.ts";
import type { Store } from "../store/store.ts";
import type { StorageUpkeep } from "./storage-upkeep.ts";

export interface RetentionOptions {
  readonly clock: Clock;
  readonly policy: RetentionPolicy;
  readonly engine: Pick<Engine, "retention">;
  readonly store: Pick<Store, "forget">;
  readonly upkeep: StorageUpkeep;
  /** True where others write too: this process does not know whether anything was written. */
  readonly isShared: boolean;
  /** Told of a pass that failed; the next one is tried in its time. */
  readonly onError: (error: unknown) => void;
}

/**
 * Forgets what is past its time.
 *  R1 a pass is an hour after the one before; where nothing was written since, a day, or as long as the shortest of what is kept; the first is a minute after the start;
 *  R2 a commit of a pass removes few rows, and a pass rests after each: steps hardly wait for it, however much there is to forget;
 *  R3 it goes on while no task may begin for want of room: it is what makes room.
 */
export interface Retention {
  /** Something was written. */
  changed(): void;
  close(): Promise<void>;
}

const firstAfterMs = 60_000;
const whileWrittenMs = 3_600_000;
/** What nothing refers to any more is looked for so often too, when anything was forgotten: each time, all rows are read. */
const whileIdleMs = 86_400_000;
/** Rows of one commit, and the rest after it. */
const rowsMax = 200;
const restMs = 20;
const tasksAtOnce = 100;
/** Tasks of which each by itself cannot be forgotten, in one pass. */
const refusedMax = 1_000;
/** Tasks of each agent that stay listed: the health judge looks at as many. */
export const listedTasks = 100;

export function startRetention(options: RetentionOptions): Retention {
  return new LiveRetention(options);
}

class LiveRetention implements Retention {
  readonly #options: RetentionOptions;
  readonly #closing = new AbortController();
  #timer: Timer | null = null;
  #dueAtMs = 0;
  #lastAtMs: number;
  #pass: Promise<void> | null = null;
  #forgottenSinceSweep = 0;
  #sweptAtMs: number | null = null;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#lastAtMs = options.clock.now() + firstAfterMs - whileWrittenMs;
    this.#arm(firstAfterMs);
  }

  changed(): void {
    const nowMs = this.#options.clock.now();
    const dueAtMs = Math.max(nowMs, this.#lastAtMs + whileWrittenMs);
    if (this.#pass === null && dueAtMs < this.#dueAtMs) this.#arm(dueAtMs - nowMs);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#timer?.cancel();
    await this.#pass;
  }

  #arm(delayMs: number): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#dueAtMs = clock.now() + delayMs;
    this.#timer = clock.setTimer(delayMs, () => {
      this.#pass = this.#run();
    });
  }

  async #run(): Promise<void> {
    const { clock, isShared, onError } = this.#options;
    try {
      await this.#forget(clock.now());
    } catch (error) {
      if (!this.#closing.signal.aborted) onError(error);
    }
    this.#pass = null;
    this.#lastAtMs = clock.now();
    if (!this.#closing.signal.aborted) this.#arm(isShared ? whileWrittenMs : this.#idleMs());
  }

  async #forget(nowMs: number): Promise<void> {
    const { policy, engine, store, upkeep } = this.#options;
    const due = computeForgettable(policy, nowMs);
    /** Why these tasks cannot be forgotten, by their ids: they keep nothing else from it. */
    const refused = new Map<string, unknown>();
    await upkeep.forgetWorkers();
    for (const agent of await engine.retention.agents()) await this.#forgetTasks(agent, due, refused);
    const before = { recordsMs: due.recordsBeforeMs, rollupsMs: due.rollupsBeforeMs, keysMs: due.keysBeforeMs };
    for (let rows = 1; rows > 0; this.#forgottenSinceSweep += rows) {
      rows = await store.forget(before, rowsMax);
      await this.#rest();
    }
    if (this.#forgottenSinceSweep > 0 && (this.#sweptAtMs === null || nowMs - this.#sweptAtMs >= this.#idleMs())) {
      await upkeep.sweep(this.#rest);
      this.#sweptAtMs = nowMs;
      this.#forgottenSinceSweep = 0;
    }
    await upkeep.shrink(this.#rest);
    const [first] = refused.values();
    if (refused.size > 0) throw first;
  }

  async #forgetTasks(agent: string, { endedBeforeMs, deadBeforeMs }: Forgettable, refused: Map<string, unknown>): Promise<void> {
    const { retention } = this.#options.engine;
    for (;;) {
      const due = await retention.due({ agent, endedBeforeMs: endedBeforeMs(agent), deadBeforeMs, listed: listedTasks, limit: tasksAtOnce + refused.size });
      const tasks = due.filter(({ id }) => !refused.has(id));
      const before = this.#forgottenSinceSweep + refused.size;
      await this.#forgetEach(tasks, refused);
      // What is due and does not go was begun again.
      if (this.#forgottenSinceSweep + refused.size === before) return;
    }
  }

  /** All together; when that fails, each by itself. */
  async #forgetEach(tasks: readonly DueTask[], refused: Map<string, unknown>): Promise<void> {
    try {
      await this.#forgetRows(tasks);
      return;
    } catch (error) {
      this.#throwUnlessOfTask(error, refused);
    }
    for (const task of tasks) {
      try {
        await this.#forgetRows([task]);
      } catch (error) {
        this.#throwUnlessOfTask(error, refused);
        refused.set(task.id, error);
      }
    }
  }

  /** An outage is every task's, and so is what so many of them come to. */
  #throwUnlessOfTask(error: unknown, refused: ReadonlyMap<string, unknown>): void {
    if (this.#closing.signal.aborted || isLonghaulError(error) || refused.size >= refusedMax) throw error;
  }

  async #forgetRows(tasks: readonly DueTask[]): Promise<void> {
    for (let rows = tasks.length; rows > 0; ) {
      rows = await this.#options.engine.retention.forget(tasks, rowsMax);
      this.#forgottenSinceSweep += rows;
      await this.#rest();
    }
  }

  #idleMs(): number {
    const { journalsMs, deadLettersMs, recordsMs } = this.#options.policy;
    return Math.max(whileWrittenMs, Math.min(whileIdleMs, journalsMs, deadLettersMs, recordsMs));
  }

  readonly #rest = (): Promise<void> => sleep(this.#options.clock, restMs, this.#closing.signal);
}
