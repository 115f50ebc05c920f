import type { Clock, Timer } from "../../base/clock.ts";
import { deadlinePassed } from "../refusal.ts";
import { deadEnd } from "../task-rules.ts";
import type { Change } from "./change.ts";
import { getTask, listOverdue, nextTaskInstantMs } from "./tasks.ts";
import { completeWait, endTask } from "./transition.ts";
import { listDueWaits, nextWaitInstantMs } from "./waits.ts";
import { isFinal, type Writer } from "./writer.ts";

export interface AlarmOptions {
  readonly clock: Clock;
  readonly writer: Writer;
  /** Queued tasks may have come to their instant. */
  readonly onDue: () => void;
  /** Told of a bug that keeps waits from ending; it is tried again. */
  readonly onFault: (error: unknown) => void;
}

/** Between two tries after a fault. */
const retryDelayMs = 1_000;

/** Waits and deadlines that are worked off in one commit. */
const batchMax = 200;
/** A machine that slept, or whose wall clock was set, is late by this at the most. */
const timerMsMax = 3_600_000;

/** The one timer of a data file: set to the earliest wait, start or deadline in it, and to nothing when there is none. */
export class Alarm {
  readonly #options: AlarmOptions;
  #timer: Timer | null = null;
  #atMs = Number.POSITIVE_INFINITY;
  #isFiring = false;
  #isStopped = true;

  constructor(options: AlarmOptions) {
    this.#options = options;
  }

  get isFiring(): boolean {
    return this.#isFiring;
  }

  /** Works off what fell due while nobody was there. */
  start(): void {
    this.#isStopped = false;
    void this.#fire();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Something new falls due at this instant. */
  note(atMs: number): void {
    if (this.#isStopped || atMs >= this.#atMs) return;
    this.#atMs = atMs;
    if (!this.#isFiring) this.#arm();
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isStopped || this.#atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = clock.setTimer(Math.min(Math.max(this.#atMs - clock.now(), 0), timerMsMax), () => void this.#fire());
  }

  async #fire(): Promise<void> {
    const { clock, writer, onDue, onFault } = this.#options;
    this.#timer = null;
    this.#isFiring = true;
    this.#atMs = Number.POSITIVE_INFINITY;
    try {
      const next = await writer.persist(endWhatIsDue);
      onDue();
      if (next !== null) this.#atMs = Math.min(this.#atMs, next);
    } catch (error) {
      if (isFinal(error)) this.#isStopped = true;
      else onFault(error);
      this.#atMs = clock.now() + retryDelayMs;
    } finally {
      this.#isFiring = false;
    }
    this.#arm();
  }
}

/** Ends waits and tasks whose time has come; returns the next instant. What does not fit into this commit is due at once. */
function endWhatIsDue(change: Change): number | null {
  const waits = listDueWaits(change.db, change.atMs, batchMax);
  for (const wait of waits) completeWait(change, wait, { ok: true, value: { by: "timer" } });
  for (const { id } of listOverdue(change.db, change.atMs, batchMax)) {
    const task = getTask(change.db, id); // A child may have been ended with the task before it.
    if (task === null || task.endedAtMs !== null) continue;
    endTask(change, task, deadEnd("deadline", deadlinePassed(task)));
  }
  const instants = [nextWaitInstantMs(change.db), nextTaskInstantMs(change.db, change.atMs)].filter((at) => at !== null);
  return instants.length === 0 ? null : Math.min(...instants);
}
