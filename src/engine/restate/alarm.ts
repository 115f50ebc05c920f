import type { Clock, Timer } from "../../base/clock.ts";
import { deadlinePassed } from "../refusal.ts";
import { deadEnd } from "../task-rules.ts";
import type { Bell, Change } from "./change.ts";
import { listSilentBells } from "./bells.ts";
import { listAgentsDue, listOverdue, listReadyAgents, lockTask, nextTaskInstantMs } from "./tasks.ts";
import { completeWait, endTask } from "./transition.ts";
import { listDueWaits, nextWaitInstantMs } from "./waits.ts";
import type { Writer } from "./writer.ts";

export interface AlarmOptions {
  readonly clock: Clock;
  readonly writer: Writer;
  /** Agents whose tasks may begin now. */
  readonly onReady: (agents: readonly string[]) => void;
  readonly onSilentBells: (bells: readonly Bell[]) => void;
  readonly onSweep: () => Promise<void>;
  readonly onFault: (error: unknown) => void;
  /** How often it is looked for what a process that died left undone; null: never. */
  readonly sweepMs: number | null;
}

const batchMax = 200;
const retryDelayMs = 1_000;
/** A machine that slept, or whose wall clock was set, is late by this at the most. */
const timerMsMax = 3_600_000;
/** How long a bell may be silent before somebody else rings it. */
const silentMsMax = 2_000;

interface Due {
  readonly nextAtMs: number | null;
  readonly agents: readonly string[];
}

/**
 * Ends what is due. One process does it for all; it holds one timer, for the next instant. Another process tells of what it makes due soon; the rest is found by the sweep. Each thing is
 * ended under the lock of its row, so that two that overlap for a moment do no harm.
 */
export class Alarm {
  readonly #options: AlarmOptions;
  #timer: Timer | null = null;
  #sweeper: Timer | null = null;
  #atMs = Number.POSITIVE_INFINITY;
  #lookedAtMs = 0;
  #isStopped = true;
  #isFiring = false;
  /** How often it was started: a sweep that was under way when it was stopped does not go on beside the next one. */
  #starts = 0;

  constructor(options: AlarmOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return !this.#isFiring;
  }

  /** Works off what fell due while nobody looked, and goes on. Resolves when it is worked off. */
  async start(): Promise<void> {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#lookedAtMs = 0;
    this.#sweepLater(++this.#starts);
    await this.#fire();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#sweeper?.cancel();
  }

  /** Something new falls due at this instant. */
  note(atMs: number): void {
    if (atMs >= this.#atMs) return;
    this.#atMs = atMs;
    if (!this.#isFiring) this.#arm();
  }

  /** Somebody left something to do that does not wait for the sweep. */
  look(): void {
    if (!this.#isStopped) void this.#sweep(Number.MAX_SAFE_INTEGER);
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isStopped || this.#atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = clock.setTimer(Math.min(Math.max(this.#atMs - clock.now(), 0), timerMsMax), () => void this.#fire());
  }

  async #fire(): Promise<void> {
    const { clock, writer, onReady, onFault } = this.#options;
    this.#timer = null;
    this.#isFiring = true;
    this.#atMs = Number.POSITIVE_INFINITY;
    try {
      const { nextAtMs, agents } = await writer.write((change) => endWhatIsDue(change, this.#lookedAtMs));
      this.#lookedAtMs = clock.now();
      onReady(agents);
      if (nextAtMs !== null) this.#atMs = Math.min(this.#atMs, nextAtMs);
    } catch (error) {
      if (!this.#isStopped) onFault(error);
      this.#atMs = clock.now() + retryDelayMs;
    } finally {
      this.#isFiring = false;
    }
    this.#arm();
  }

  #sweepLater(start: number): void {
    const { clock, sweepMs } = this.#options;
    if (sweepMs === null || this.#isStopped || start !== this.#starts) return;
    this.#sweeper = clock.setTimer(sweepMs, () => void this.#sweepAll(clock.now() - silentMsMax).finally(() => this.#sweepLater(start)));
  }

  async #sweepAll(bellsBeforeMs: number): Promise<void> {
    await this.#sweep(bellsBeforeMs);
    await this.#options.onSweep().catch(() => undefined); // PostgreSQL or Restate is away, or this process ends: it is looked again.
  }

  /** Bells that were to be rung before this instant are rung. */
  async #sweep(bellsBeforeMs: number): Promise<void> {
    const { clock, writer, onReady, onSilentBells, onFault } = this.#options;
    try {
      onReady(await writer.read((db) => listReadyAgents(db, clock.now())));
      onSilentBells(await writer.read((db) => listSilentBells(db, bellsBeforeMs, batchMax)));
      // Another process may have noted what is due before this one began to look.
      const instants = await writer.read((db) => Promise.all([nextWaitInstantMs(db), nextTaskInstantMs(db, clock.now())]));
      for (const atMs of instants) if (atMs !== null) this.note(atMs);
    } catch (error) {
      if (!this.#isStopped) onFault(error);
    }
  }
}

/** Ends waits and tasks whose time has come; returns the next instant. What does not fit into this transaction is due at once. */
async function endWhatIsDue(change: Change, lookedAtMs: number): Promise<Due> {
  for (const wait of await listDueWaits(change.db, change.atMs, batchMax)) await completeWait(change, wait, { ok: true, value: { by: "timer" } });
  for (const id of await listOverdue(change.db, change.atMs, batchMax)) {
    const task = await lockTask(change.db, id); // A child may have been ended with the task before it.
    if (task !== null && task.endedAtMs === null) await endTask(change, task, deadEnd("deadline", deadlinePassed(task)));
  }
  const instants = [await nextWaitInstantMs(change.db), await nextTaskInstantMs(change.db, change.atMs)].filter((at) => at !== null);
  const agents = lookedAtMs === 0 ? await listReadyAgents(change.db, change.atMs) : await listAgentsDue(change.db, lookedAtMs, change.atMs);
  return { nextAtMs: instants.length === 0 ? null : Math.min(...instants), agents };
}
