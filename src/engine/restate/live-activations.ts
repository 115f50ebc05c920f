import type { Clock, Timer } from "../../base/clock.ts";
import type { DrainReport } from "../engine.ts";
import { drainOver, runReplaced } from "../refusal.ts";
import { reasonOfEnd } from "../task-rules.ts";
import type { LiveActivation } from "./activation.ts";
import { AttemptLost } from "./attempt-lost.ts";
import { stateHeard, type AttemptIds } from "./attempt-state.ts";
import type { StoredTask } from "./tasks.ts";

/** How long PostgreSQL may take to note that a run was interrupted. */
const releaseMsMax = 5_000;

/** The runs that this process has in memory. */
export class LiveActivations {
  /** By their tasks. */
  readonly #live = new Map<string, LiveActivation>();
  #isDraining = false;
  #released = 0;
  #emptied: (() => void)[] = [];

  get isAtRest(): boolean {
    return [...this.#live.values()].every((activation) => activation.isAtRest);
  }

  get isTelling(): boolean {
    return [...this.#live.values()].some((activation) => activation.isTelling);
  }

  get taskIds(): Iterable<string> {
    return this.#live.keys();
  }

  /** Executes a run. Resolves when it has left memory. Of two attempts at one task, the earlier one is over. */
  async run(activation: LiveActivation): Promise<void> {
    const { taskId, runId } = activation.ids;
    const other = this.#live.get(taskId);
    if (other !== undefined && isAfter(other.ids, activation.ids)) throw new AttemptLost(runId);
    other?.lose();
    this.#live.set(taskId, activation);
    if (this.#isDraining) activation.drain();
    try {
      await activation.run();
    } finally {
      if (this.#live.get(taskId) === activation) this.#live.delete(taskId);
      if (activation.wasReleased) this.#released++;
      if (this.#live.size === 0) for (const wake of this.#emptied.splice(0)) wake();
    }
  }

  /** True while this attempt is in memory. */
  has({ taskId, activation, attempt }: AttemptIds): boolean {
    const ids = this.#live.get(taskId)?.ids;
    return ids?.activation === activation && ids.attempt === attempt;
  }

  /** How long the task of this attempt has executed; null when the attempt is not in memory any more. */
  letGo(attempt: AttemptIds): number | null {
    const live = this.#live.get(attempt.taskId);
    return live === undefined || isAfter(live.ids, attempt) ? null : live.letGo();
  }

  /** How a task stood some time ago, by whoever's decision: an attempt that it has left behind is over. */
  hear(task: StoredTask): void {
    const live = this.#live.get(task.id);
    if (live === undefined) return;
    const { runId } = live.ids;
    const state = stateHeard(task, live.ids);
    if (state === "superseded") live.lose();
    if (state === "over") live.stop(task.runId !== runId ? runReplaced(task.id, runId) : task.end === null ? new AttemptLost(runId) : reasonOfEnd(task.id, task.end));
  }

  /** The task of a run has ended. */
  end(taskId: string, runId: string, reason: Error): void {
    const live = this.#live.get(taskId);
    if (live?.ids.runId === runId) live.stop(reason);
  }

  /** Resolves when no run is in memory. Those that still execute after `timeoutMs` are released as they are; what PostgreSQL does not take within 5 s is left as a crash would leave it. */
  async drain(clock: Clock, timeoutMs: number): Promise<DrainReport> {
    this.#isDraining = true;
    const reason = drainOver(timeoutMs);
    let timer: Timer;
    const interrupt = (): void => {
      timer = clock.setTimer(releaseMsMax, () => {
        for (const activation of this.#live.values()) activation.stop(reason);
      });
      for (const activation of this.#live.values()) activation.interrupt(reason);
    };
    for (const activation of this.#live.values()) activation.drain();
    if (this.#live.size > 0) {
      const emptied = new Promise<void>((resolve) => this.#emptied.push(resolve));
      if (timeoutMs > 0) timer = clock.setTimer(timeoutMs, interrupt);
      else interrupt();
      await emptied.finally(() => timer.cancel());
    }
    return { interrupted: this.#released };
  }
}

function isAfter(one: AttemptIds, other: AttemptIds): boolean {
  return one.activation > other.activation || (one.activation === other.activation && one.attempt > other.attempt);
}
