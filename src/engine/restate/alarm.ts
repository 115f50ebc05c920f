import type { Clock, Timer } from "../../base/clock.ts";
import { isLonghaulError } from "../../base/error.ts";
import type { PostgresSession } from "../../db/postgres.ts";
import { deadlinePassed } from "../refusal.ts";
import { deadEnd } from "../task-rules.ts";
import type { Bell, Change } from "./change.ts";
import { listSilentBells } from "./bells.ts";
import { lockForEnds, lockTasksOfRuns } from "./task-locks.ts";
import { getTask, listAgentsDue, listOverdue, listReadyAgents, nextTaskInstantMs, type OverdueTask } from "./tasks.ts";
import { completeWait, endTask } from "./transition.ts";
import { listDueWaits, nextWaitInstantMs, type StoredWait } from "./waits.ts";
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

/** In one transaction. */
const batchMax = 200;
const retryDelayMs = 1_000;
/** A machine that slept, or whose wall clock was set, is late by this at the most. */
const timerMsMax = 3_600_000;
/** How long a bell may be silent before somebody else rings it. */
const silentMsMax = 2_000;

/**
 * Ends what is due. One process does it for all; it holds one timer, for the next instant. Another process tells of what it makes due soon; the rest is found by the sweep. Each thing is
 * ended under the lock of its row, so that two that overlap for a moment do no harm; what cannot be ended keeps nothing else from it.
 */
export class Alarm {
  readonly #options: AlarmOptions;
  #timer: Timer | null = null;
  #sweeper: Timer | null = null;
  #atMs = Number.POSITIVE_INFINITY;
  #lookedAtMs = 0;
  #isStopped = true;
  #isFiring = false;
  #isLooking = false;
  #isLookedForAgain = false;
  /** lh_bell.position of the last one that was swept, while there are more: those that nobody can ring keep no others from it. */
  #bellsAfter = 0;
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
    this.#isLookedForAgain = true;
    if (!this.#isLooking) void this.#look();
  }

  /** All that is told while it looks is one more look. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#isLookedForAgain && !this.#isStopped) {
      this.#isLookedForAgain = false;
      await this.#sweep(Number.MAX_SAFE_INTEGER);
    }
    this.#isLooking = false;
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isStopped || this.#atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = clock.setTimer(Math.min(Math.max(this.#atMs - clock.now(), 0), timerMsMax), () => void this.#fire());
  }

  async #fire(): Promise<void> {
    const { clock, onReady, onFault } = this.#options;
    this.#timer = null;
    this.#isFiring = true;
    this.#atMs = Number.POSITIVE_INFINITY;
    try {
      const isAllEnded = await this.#endWhatIsDue(clock.now());
      const { nextAtMs, agents, atMs } = await this.#whatIsNext();
      this.#lookedAtMs = atMs;
      onReady(agents);
      if (nextAtMs !== null) this.#atMs = Math.min(this.#atMs, isAllEnded ? nextAtMs : Math.max(nextAtMs, atMs + retryDelayMs));
    } catch (error) {
      if (!this.#isStopped) onFault(error);
      this.#atMs = clock.now() + retryDelayMs;
    } finally {
      this.#isFiring = false;
    }
    this.#arm();
  }

  /** Ends waits and tasks whose time has come. False when some of it cannot be ended. */
  async #endWhatIsDue(atMs: number): Promise<boolean> {
    const areWaitsEnded = await this.#endPages((db, after: StoredWait | null) => listDueWaits(db, atMs, after, batchMax), endWaits);
    const areTasksEnded = await this.#endPages((db, after: OverdueTask | null) => listOverdue(db, atMs, after, batchMax), endOverdue);
    return areWaitsEnded && areTasksEnded;
  }

  /** Ends the first page: what does not fit into it is due at once. When some of it cannot be ended, and would be the first page again, those behind it are ended here. */
  async #endPages<T>(list: (db: PostgresSession, after: T | null) => Promise<readonly T[]>, end: (change: Change, items: readonly T[]) => Promise<void>): Promise<boolean> {
    let areEnded = true;
    let page: readonly T[] = [];
    do {
      const after = page.at(-1) ?? null;
      page = await this.#options.writer.read((db) => list(db, after));
      areEnded = (await this.#endEach(page, end)) && areEnded;
    } while (!areEnded && page.length === batchMax && !this.#isStopped);
    return areEnded;
  }

  /** Ends all in one transaction; when that fails, each by itself. False when some of them cannot be ended. */
  async #endEach<T>(items: readonly T[], end: (change: Change, items: readonly T[]) => Promise<void>): Promise<boolean> {
    const { writer, onFault } = this.#options;
    if (items.length === 0) return true;
    try {
      await writer.write((change) => end(change, items));
      return true;
    } catch (error) {
      if (this.#isStopped || (isLonghaulError(error) && error.code === "STORE_UNREACHABLE")) throw error;
    }
    let areEnded = true;
    for (const item of items) {
      try {
        await writer.write((change) => end(change, [item]));
      } catch (error) {
        if (this.#isStopped) throw error;
        onFault(error);
        areEnded = false;
      }
    }
    return areEnded;
  }

  /** The next instant at which something falls due, and the agents of which a task came of age since it was looked last. */
  async #whatIsNext(): Promise<{ readonly nextAtMs: number | null; readonly agents: readonly string[]; readonly atMs: number }> {
    const { clock, writer } = this.#options;
    const atMs = clock.now();
    return await writer.read(async (db) => {
      const instants = [await nextWaitInstantMs(db), await nextTaskInstantMs(db, atMs)].filter((at) => at !== null);
      const agents = this.#lookedAtMs === 0 ? await listReadyAgents(db, atMs) : await listAgentsDue(db, this.#lookedAtMs, atMs);
      return { nextAtMs: instants.length === 0 ? null : Math.min(...instants), agents, atMs };
    });
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
      const bells = await writer.read((db) => listSilentBells(db, bellsBeforeMs, this.#bellsAfter, batchMax));
      this.#bellsAfter = bells.length < batchMax ? 0 : (bells.at(-1)?.position ?? 0);
      onSilentBells(bells);
      // Another process may have noted what is due before this one began to look.
      const instants = await writer.read((db) => Promise.all([nextWaitInstantMs(db), nextTaskInstantMs(db, clock.now())]));
      for (const atMs of instants) if (atMs !== null) this.note(atMs);
    } catch (error) {
      if (!this.#isStopped) onFault(error);
    }
  }
}

async function endWaits(change: Change, waits: readonly StoredWait[]): Promise<void> {
  await lockTasksOfRuns(change.db, waits.map(({ run }) => run));
  for (const wait of waits) await completeWait(change, wait, { ok: true, value: { by: "timer" } });
}

async function endOverdue(change: Change, overdue: readonly OverdueTask[]): Promise<void> {
  await lockForEnds(change, overdue.map(({ id }) => id));
  for (const { id } of overdue) {
    const task = await getTask(change.db, id); // It may have ended with the task before it, or been restarted with another deadline.
    if (task !== null && task.endedAtMs === null && task.deadlineAtMs <= change.atMs) await endTask(change, task, deadEnd("deadline", deadlinePassed(task)));
  }
}
