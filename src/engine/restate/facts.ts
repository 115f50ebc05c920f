import type { Clock, Timer } from "../../base/clock.ts";
import { onNextTurn } from "../../base/turn.ts";
import type { Write } from "../../record/write.ts";
import { keyOf, type EndedStep } from "../journaled-step.ts";
import type { Change } from "./change.ts";
import { noteTold, type JournalRow } from "./journal.ts";
import { clearRecoveriesWithoutProgress, lockTaskBySerial } from "./tasks.ts";
import type { Writer } from "./writer.ts";

/** A step that code was told of, and the facts that came with it. They are in Restate's journal until they are stored here. */
interface ToldStep {
  readonly step: EndedStep;
  readonly seq: number;
  readonly writes: readonly Write[];
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
  /** What code was told in this activation, or will be told before anything else. */
  readonly keys = new Set<string>();
  readonly #options: ToldStepsOptions;
  #seq: number;
  #waiting: ToldStep[] = [];

  constructor(options: ToldStepsOptions) {
    this.#options = options;
    this.#seq = options.toldBefore;
  }

  get run(): number {
    return this.#options.run;
  }

  /** How many steps there are for code to be told, in this activation and before it. */
  get count(): number {
    return this.#seq;
  }

  /** True when storing it may say of its task that it proved harmless: the next crash is counted by whether a step was stored before it. */
  get isSuspect(): boolean {
    return this.#options.suspect !== null;
  }

  add(step: EndedStep, writes: readonly Write[]): void {
    this.keys.add(keyOf(step));
    this.#waiting.push({ step, seq: ++this.#seq, writes });
  }

  /** Stores what waits. */
  async store(change: Change): Promise<() => void> {
    return await storeTold(change, [this]);
  }

  /** What waits, as rows of the journal; and what is to be called when they are known to be stored. */
  take(): { readonly run: number; readonly rows: readonly (JournalRow & { readonly writes: readonly Write[] })[]; readonly suspect: number | null; readonly forget: () => void } {
    const { run, activation, suspect } = this.#options;
    const steps = new Set(this.#waiting);
    // Two transactions may have stored the same: each forgets what it stored, and that only.
    const forget = (): void => void (this.#waiting = this.#waiting.filter((step) => !steps.has(step)));
    return { run, rows: [...steps].map((step) => ({ run, activation, ...step })), suspect, forget };
  }
}

/**
 * Stores what waits in these, each of another run. What was stored is forgotten when the transaction is known to be committed, by what this returns.
 * A task comes before its steps, as in every transaction by which a run leaves memory: so the two wait for each other and do not die of each other.
 */
async function storeTold(change: Change, told: readonly ToldSteps[]): Promise<() => void> {
  const taken = told.map((steps) => steps.take());
  const rows = taken.flatMap((each) => each.rows);
  if (rows.length === 0) return () => undefined;
  for (const { suspect } of taken) if (suspect !== null) await lockTaskBySerial(change.db, suspect);
  const progressed = await noteTold(change.db, rows);
  await change.write(rows.flatMap(({ writes }) => writes));
  // What code is told again after a crash is no progress.
  for (const { run, suspect } of taken) if (suspect !== null && progressed.has(run) && (await clearRecoveriesWithoutProgress(change.db, suspect))) change.effects.hasCleared = true;
  return () => {
    for (const { forget } of taken) forget();
  };
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
    if (this.#flushing !== null || this.#queue.size === 0) return;
    const waitMs = this.#isUrgent || this.#noted >= waitingMax ? 0 : this.#nextAtMs - this.#clock.monotonicMs();
    if (waitMs <= 0) void this.#begin();
    else this.#timer ??= this.#clock.setTimer(waitMs, () => void this.#begin());
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
      for (const part of byLocks(batch)) {
        const forget = await this.#writer.persist((change) => storeTold(change, part));
        forget();
      }
    } catch (error) {
      // The engine closes, or a bug of the store: what is not stored here goes with the run, or is told again to the next attempt.
      this.#onFault(error);
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
