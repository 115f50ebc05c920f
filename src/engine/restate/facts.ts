import type { Clock, Timer } from "../../base/clock.ts";
import { isLonghaulError } from "../../base/error.ts";
import { onNextTurn } from "../../base/turn.ts";
import type { Change } from "./change.ts";
import type { Ended } from "./envelope.ts";
import { lastTold, noteTold, type ToldPart } from "./journal.ts";
import { clearRecoveriesWithoutProgress, lockTaskBySerial } from "./tasks.ts";
import type { Writer } from "./writer.ts";

/** What waits of one run. */
interface WaitingPart extends ToldPart {
  readonly steps: readonly Ended[];
  readonly suspect: number | null;
  /** To be called when it is known to be stored. */
  readonly forget: () => void;
}

export interface ToldStepsOptions {
  readonly run: number;
  readonly activation: number;
  /** lh_task.serial of a task that was in a crash and completed nothing since; null for others. */
  readonly suspect: number | null;
  /** How many steps code had been told before this activation. */
  readonly toldBefore: number;
}

/** What code was told in one activation, on its way from Restate's journal to the tables. */
export class ToldSteps {
  readonly #options: ToldStepsOptions;
  /** A list: few ask for the set, and each step is added. */
  readonly #keys: string[] = [];
  #count: number;
  /** In Restate's journal, with the facts that came with them, until they are stored here. */
  #waiting: Ended[] = [];

  constructor(options: ToldStepsOptions) {
    this.#options = options;
    this.#count = options.toldBefore;
  }

  get run(): number {
    return this.#options.run;
  }

  /** What code was told in this activation, or will be told before anything else. */
  keys(): ReadonlySet<string> {
    return new Set(this.#keys);
  }

  /** How many steps there are for code to be told, in this activation and before it. */
  get count(): number {
    return this.#count;
  }

  /** True when storing it may say of its task that it proved harmless: the next crash is counted by whether a step was stored before it. */
  get isSuspect(): boolean {
    return this.#options.suspect !== null;
  }

  /** What is stored is its text, which does not change with what code makes of it. */
  add(key: string, ended: Ended): void {
    this.#count++;
    this.#keys.push(key);
    this.#waiting.push(ended);
  }

  /** Stores what waits. */
  async store(change: Change): Promise<() => void> {
    return await storeAllTold(change, [this]);
  }

  /** What waits. */
  take(): WaitingPart {
    const { run, activation, suspect } = this.#options;
    const last = this.#count;
    // Two transactions may have stored the same: each forgets what it stored, and that only.
    const forget = (): void => void this.#waiting.splice(0, Math.max(0, last - this.#stored));
    return { run, activation, first: this.#stored + 1, steps: [...this.#waiting], suspect, forget };
  }

  get #stored(): number {
    return this.#count - this.#waiting.length;
  }
}

/**
 * Stores what waits in these, each of another run. What was stored is forgotten when the transaction is known to be committed, by what this returns.
 * A task comes before its steps, as in every transaction by which a run leaves memory: so the two wait for each other and do not die of each other.
 */
export async function storeAllTold(change: Change, told: readonly ToldSteps[]): Promise<() => void> {
  const parts = told.map((steps) => steps.take()).filter(({ steps }) => steps.length > 0);
  if (parts.length === 0) return () => undefined;
  const proved = await lockProved(change, parts);
  await noteTold(change.db, parts);
  await change.write(parts.flatMap(({ steps }) => steps.filter(({ writes }) => writes.length > 0).flatMap(({ writes }) => writes)));
  for (const suspect of proved) if (await clearRecoveriesWithoutProgress(change.db, suspect)) change.effects.hasCleared = true;
  return () => {
    for (const { forget } of parts) forget();
  };
}

/** The suspects of which a step is about to be stored that was not stored before: what code is told again after a crash is no progress. */
async function lockProved({ db }: Change, parts: readonly WaitingPart[]): Promise<readonly number[]> {
  const proved: number[] = [];
  for (const { run, suspect, first, steps } of parts) {
    if (suspect === null) continue;
    await lockTaskBySerial(db, suspect);
    const last = await lastTold(db, run);
    if (steps.some(({ isStored }, index) => !isStored && first + index > last)) proved.push(suspect);
  }
  return proved;
}

/** Runs whose facts are stored in one transaction at the most. */
const batchMax = 200;
/** Between the beginnings of two of these transactions. A run that leaves memory does not wait for it: it takes along what it was told. */
const restMs = 100;
/** Steps that wait for it at the most. */
const waitingMax = 2_000;

/** Stores what activations were told, many steps at a time. Nothing is lost that it does not store: Restate's journal has it. */
export class FactStore {
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #onFault: (error: unknown) => void;
  readonly #queue = new Set<ToldSteps>();
  #noted = 0;
  #isUrgent = false;
  #flushing: Promise<void> | null = null;
  #timer: Timer | null = null;
  #nextAtMs = 0;

  constructor(writer: Writer, clock: Clock, onFault: (error: unknown) => void) {
    this.#writer = writer;
    this.#clock = clock;
    this.#onFault = onFault;
  }

  get isIdle(): boolean {
    return this.#flushing === null;
  }

  /** Stores what this activation was told, soon; at once, when its next crash is counted by it. */
  note(told: ToldSteps): void {
    this.#queue.add(told);
    this.#noted++;
    this.#isUrgent ||= told.isSuspect;
    this.#schedule();
  }

  /** The run is about to leave memory and takes along what waits. */
  forget(told: ToldSteps): void {
    this.#queue.delete(told);
  }

  /** Resolves when all that was noted is stored. */
  async flushed(): Promise<void> {
    while (this.#flushing !== null || this.#queue.size > 0) await (this.#flushing ?? this.#begin());
  }

  /** What waits is told again to the next attempt. */
  close(): void {
    this.#timer?.cancel();
    this.#queue.clear();
  }

  #schedule(): void {
    const isDue = this.#isUrgent || this.#noted >= waitingMax;
    if (this.#flushing !== null || this.#queue.size === 0 || (this.#timer !== null && !isDue)) return;
    const waitMs = isDue ? 0 : this.#nextAtMs - this.#clock.monotonicMs();
    if (waitMs <= 0) void this.#begin();
    else this.#timer = this.#clock.setTimer(waitMs, () => void this.#begin());
  }

  #begin(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#nextAtMs = this.#clock.monotonicMs() + restMs;
    this.#flushing ??= new Promise<void>((resolve) => onNextTurn(() => resolve(this.#flush()))).finally(() => {
      this.#flushing = null;
      this.#schedule();
    });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    this.#noted = 0;
    this.#isUrgent = false;
    const batch = this.#nextBatch();
    try {
      for (const part of byLocks(batch)) await this.#store(part);
    } catch (error) {
      // The engine closes, or a bug of the store: what is not stored here goes with the run, or is told again to the next attempt.
      this.#onFault(error);
    }
  }

  /** All together; when that fails, each by itself. */
  async #store(part: readonly ToldSteps[]): Promise<void> {
    try {
      const forget = await this.#writer.persist((change) => storeAllTold(change, part));
      forget();
    } catch (error) {
      if (isLonghaulError(error)) throw error;
      if (part.length === 1) this.#onFault(error);
      else for (const told of part) await this.#store([told]);
    }
  }

  /** In one order: two transactions that touch the same runs wait for each other instead of dying of each other. An attempt of a run that is over may still be here beside the next one. */
  #nextBatch(): readonly ToldSteps[] {
    const batch = new Map<number, ToldSteps>();
    for (const told of this.#queue) if (batch.size < batchMax && !batch.has(told.run)) batch.set(told.run, told);
    for (const told of batch.values()) this.#queue.delete(told);
    return [...batch.values()].toSorted((a, b) => a.run - b.run);
  }
}

/** What touches a task is a transaction of its own: nobody else locks tasks in the order of runs. */
function byLocks(batch: readonly ToldSteps[]): readonly (readonly ToldSteps[])[] {
  const others = batch.filter((told) => !told.isSuspect);
  return [...batch.filter((told) => told.isSuspect).map((told) => [told]), ...(others.length === 0 ? [] : [others])];
}
