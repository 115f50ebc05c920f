import { onNextTurn } from "../../base/turn.ts";
import type { Write } from "../../record/write.ts";
import { keyOf, type EndedStep } from "../journaled-step.ts";
import type { Change } from "./change.ts";
import { noteTold } from "./journal.ts";
import { clearRecoveriesWithoutProgress } from "./tasks.ts";
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

  add(step: EndedStep, writes: readonly Write[]): void {
    this.keys.add(keyOf(step));
    this.#waiting.push({ step, seq: ++this.#seq, writes });
  }

  /** Stores what waits. What was stored is forgotten when the transaction is known to be committed: by `stored`. */
  async store(change: Change): Promise<() => void> {
    const { run, activation, suspect } = this.#options;
    const steps = [...this.#waiting];
    if (steps.length === 0) return () => undefined;
    await noteTold(change.db, run, activation, steps);
    await change.write(steps.flatMap(({ writes }) => writes));
    if (suspect !== null && (await clearRecoveriesWithoutProgress(change.db, suspect))) change.effects.hasCleared = true;
    // Two transactions may have stored the same: each forgets what it stored, and that only.
    return () => {
      const gone = new Set(steps);
      this.#waiting = this.#waiting.filter((step) => !gone.has(step));
    };
  }
}

/** Runs whose facts are stored in one transaction at the most. */
const batchMax = 200;

/** Stores what activations were told, many at a time: while one transaction is under way, the next one collects. Nothing is lost that it does not store: Restate's journal has it. */
export class FactStore {
  readonly #writer: Writer;
  readonly #onFault: (error: unknown) => void;
  readonly #queue = new Set<ToldSteps>();
  #flushing: Promise<void> | null = null;

  constructor(writer: Writer, onFault: (error: unknown) => void) {
    this.#writer = writer;
    this.#onFault = onFault;
  }

  get isIdle(): boolean {
    return this.#flushing === null;
  }

  /** Stores what this activation was told, soon. */
  note(told: ToldSteps): void {
    this.#queue.add(told);
    this.#flushing ??= new Promise<void>((resolve) => onNextTurn(() => resolve(this.#flush()))).finally(() => (this.#flushing = null));
  }

  /** The run is about to leave memory and takes along what waits. */
  forget(told: ToldSteps): void {
    this.#queue.delete(told);
  }

  /** Resolves when all that was noted is stored. */
  async flushed(): Promise<void> {
    while (this.#flushing !== null) await this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#queue.size > 0) {
      // In one order: two transactions that touch the same runs wait for each other instead of dying of each other.
      const batch = [...this.#queue].slice(0, batchMax).toSorted((a, b) => a.run - b.run);
      for (const told of batch) this.#queue.delete(told);
      try {
        const stored = await this.#writer.persist(async (change) => {
          const done: (() => void)[] = [];
          for (const told of batch) done.push(await told.store(change));
          return done;
        });
        for (const forget of stored) forget();
      } catch (error) {
        // The engine closes, or a bug of the store: what is not stored here goes with the run, or is told again to the next attempt.
        this.#onFault(error);
      }
    }
  }
}
