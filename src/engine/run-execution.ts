import type { Clock, Timer } from "../base/clock.ts";
import { LazyAbort } from "../base/lazy-abort.ts";
import { fromFailure } from "../record/failure.ts";
import type { DeadReason } from "../record/task.ts";
import type { Execute, NearLimit, RunEnd } from "./engine.ts";
import { isCompensation, Unwind } from "./compensation.ts";
import { keyOf, type JournaledStep } from "./journaled-step.ts";
import type { EngineLimits } from "./limits.ts";
import { activeTimePassed, journalLimit, nearLimitRatio, stepLimit } from "./near-limit.ts";
import type { Operation } from "./operation.ts";
import { Pump, type Completion } from "./pump.ts";
import { RunContext } from "./run-context.ts";
import type { LoadedRun, RunHost } from "./run-host.ts";
import { codeMismatch, foreignAwait, type StuckRun } from "./stuck-run.ts";

export interface RunExecutionOptions {
  readonly loaded: LoadedRun;
  readonly execute: Execute;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  /** How long the task may execute, over all of its slots. */
  readonly activeMsMax: number;
  /** Makes what performs the steps; they are told by the signal of `abort` to stop. `activeMs` says for how long the task has executed by now. */
  readonly host: (abort: Pick<LazyAbort, "signal">, activeMs: () => number) => RunHost;
}

type Settled = { readonly ok: true; readonly end: RunEnd } | { readonly ok: false; readonly error: unknown };

/**
 * One run in memory, from its slot to its end, its suspension or its release.
 *
 * R1 what the journal held when the run was loaded is delivered before anything new begins: code that no longer matches is found before it acts;
 * R2 each exit (end, suspend, park, release) is one commit; afterwards the context is fenced and what still executes is never applied;
 * R3 a run is suspended when no body executes and every promise it awaits is a durable wait in the file;
 * R4 code that awaits neither ctx nor anything that ends within the grace is named and stopped;
 * R5 a run that compensates for another begins nothing that the other one had not come to, and compensates when its code can go no further;
 * R6 a run that has executed for too long ends, whatever its code does of that: what it awaits is not waited for.
 */
export class RunExecution {
  readonly #options: RunExecutionOptions;
  readonly #context: RunContext;
  readonly #host: RunHost;
  readonly #abort = new LazyAbort();
  readonly #operations = new Map<string, Operation>();
  readonly #pump: Pump;
  readonly #replayedCount: number;
  readonly #unwind: Unwind | null;
  /** One that compensates for a run that came to its limits has as much again. */
  readonly #limits: Pick<EngineLimits, "stepsPerRunMax" | "journalBytesPerRunMax">;
  #announced: readonly NearLimit["limit"][] = [];
  #journalBytes = 0;
  #asked = 0;
  #busy = 0;
  #settled: Settled | null = null;
  #grace: Timer | null = null;
  /** How long the task has executed by now. */
  readonly activeMs: () => number;
  #activeTimer: Timer | null = null;
  #isOverTime = false;
  #isStarted = false;
  #isDraining = false;
  #isLeaving = false;
  #isStopped = false;
  #hasHeld = false;
  #hasFailed = false;
  #isInterrupted = false;

  constructor(options: RunExecutionOptions) {
    const { loaded } = options;
    // The pump lets go of each completion that it has delivered; nothing else holds the journal.
    this.#options = { ...options, loaded: { ...loaded, journal: [] } };
    this.#unwind = isCompensation(loaded.task) ? new Unwind(loaded.seed.keys()) : null;
    const { stepsPerRunMax, journalBytesPerRunMax } = options.limits;
    const factor = this.#unwind === null ? 1 : 2;
    this.#limits = { stepsPerRunMax: stepsPerRunMax * factor, journalBytesPerRunMax: journalBytesPerRunMax * factor };
    this.#context = new RunContext({
      task: loaded.task,
      runId: loaded.runId,
      startedAtMs: loaded.startedAtMs,
      randomSeed: loaded.randomRunId,
      numbers: loaded.numbers,
      abort: this.#abort,
      unwinding: this.#unwind,
      onRequest: (operation) => this.#accept(operation),
    });
    this.activeMs = countFrom(options.clock, loaded.task.activeMs);
    this.#host = options.host(this.#abort, this.activeMs);
    this.#pump = new Pump({ turn: () => this.#turn(), deliver: (completion) => this.#deliver(completion), rest: () => this.#rest(), isUnderWay: () => this.#isUnderWay() });
    this.#replayedCount = loaded.journal.length;
    for (const step of loaded.journal) this.addCompletion(step);
  }

  /** True when nothing happens until a body, a timer or somebody else does something. */
  get isAtRest(): boolean {
    return this.#isStopped || (this.#isStarted && this.#busy === 0 && !this.#isLeaving && !this.#pump.isActive);
  }

  get isTelling(): boolean {
    return !this.#isStopped && this.#pump.isActive;
  }

  /** Calls durable code from its first line, unless its journal cannot be understood. */
  start(): void {
    this.#isStarted = true;
    if (this.#isStopped || this.#isInterrupted) return;
    const { mismatch } = this.#options.loaded;
    if (mismatch !== null) {
      void this.#park(mismatch);
      return;
    }
    this.#watchActiveTime();
    const body = async (): Promise<RunEnd> => await this.#options.execute(this.#context);
    body().then(
      (end) => this.#settle({ ok: true, end }),
      (error: unknown) => this.#settle({ ok: false, error }),
    );
    this.#pump.poke();
  }

  addCompletion(step: JournaledStep, key: string = keyOf(step)): void {
    if (this.#isStopped) return;
    this.#journalBytes += step.outcomeBytes;
    this.#announce("journal-bytes", this.#journalBytes, this.#limits.journalBytesPerRunMax);
    this.#pump.add({ key, step });
  }

  /** No new step begins; when those that execute are committed, the run is released. */
  drain(): void {
    this.#isDraining = true;
    this.#pump.poke();
  }

  /** Time is up for what executes: its run is released as it is. */
  interrupt(reason: Error): void {
    if (this.#isStopped) return;
    this.#isInterrupted = true;
    this.#abort.abort(() => reason);
    this.#context.fence();
    void this.#release();
  }

  /** The run is over in the file. What still executes is told so and is never applied. */
  stop(reasonOf: () => Error): void {
    this.detach();
    this.tell(reasonOf);
  }

  /** What still executes is told to stop. */
  tell(reasonOf: () => Error): void {
    this.#abort.abort(reasonOf);
  }

  /** The run left its slot: durable code stays where it is, and nothing in it hears of that. */
  detach(): void {
    this.#isStopped = true;
    this.#grace?.cancel();
    this.#activeTimer?.cancel();
    this.#context.fence();
  }

  #watchActiveTime(): void {
    const { clock, activeMsMax, loaded } = this.#options;
    this.#activeTimer = clock.setTimer(Math.max(0, activeMsMax - loaded.task.activeMs), () => {
      this.#isOverTime = true;
      this.#pump.poke();
    });
  }

  #settle(settled: Settled): void {
    this.#settled = settled;
    this.#pump.poke();
  }

  #accept(operation: Operation): void {
    if (this.#isStopped || this.#unwind?.admits(operation, this.#isSeeded(operation)) === false) return;
    const { stepsPerRunMax } = this.#limits;
    if (++this.#asked > stepsPerRunMax) {
      this.#endOver(stepLimit(this.#options.loaded.runId, stepsPerRunMax), "step-limit");
      return;
    }
    this.#announce("steps", this.#asked, stepsPerRunMax);
    this.#operations.set(operation.key, operation);
    if (this.#isHolding()) this.#hasHeld = true;
    else if (!this.#isSeeded(operation)) this.#begin(operation);
    this.#pump.poke();
  }

  #isHolding(): boolean {
    return this.#isDraining || this.#isLeaving || this.#pump.deliveredCount < this.#replayedCount;
  }

  #isSeeded({ key }: Operation): boolean {
    const { seed } = this.#options.loaded;
    return seed.size > 0 && seed.has(key);
  }

  /** Serves the first of the seeded outcomes that were asked for. One at a time, and when the code is at rest: in their order, as far as the code still allows it. */
  #serveNext(): boolean {
    if (this.#isHolding()) return false;
    for (const key of this.#options.loaded.seed.keys()) {
      const operation = this.#operations.get(key);
      if (operation?.state !== "held") continue;
      this.#begin(operation);
      return true;
    }
    return false;
  }

  #begin(operation: Operation): void {
    if (this.#host.isStored(operation)) {
      operation.state = "waiting";
      return;
    }
    operation.state = "busy";
    this.#track(this.#host.perform(operation, this.#options.loaded.seed.get(operation.key)), (performed) => (operation.state = performed));
  }

  /** The run is not at rest before the host has done this. */
  #track<T>(work: Promise<T>, onDone?: (result: T) => void): void {
    this.#busy++;
    work.then(
      (result) => {
        onDone?.(result);
        this.#busy--;
        this.#pump.poke();
      },
      (error: unknown) => {
        this.#busy--;
        this.#fail(error);
      },
    );
  }

  #turn(): boolean {
    if (this.#isStopped) return false;
    this.#grace?.cancel();
    this.#grace = null;
    if (this.#settled !== null) {
      if (!this.#isLeaving) void this.#finish(this.#settled);
      return true;
    }
    if (this.#isOverTime) this.#endOver(activeTimePassed(this.#options.loaded.task.id, this.#options.activeMsMax), "active-time");
    const { journalBytesPerRunMax } = this.#limits;
    if (this.#journalBytes > journalBytesPerRunMax) this.#endOver(journalLimit(this.#options.loaded.runId, this.#journalBytes, journalBytesPerRunMax), "journal-limit");
    if (this.#hasHeld && !this.#isHolding()) {
      this.#hasHeld = false;
      for (const operation of this.#operations.values()) if (operation.state === "held" && !this.#isSeeded(operation)) this.#begin(operation);
    }
    return true;
  }

  #deliver({ key, step }: Completion): boolean {
    if (this.#settled !== null || this.#isLeaving) return false;
    const operation = this.#operations.get(key);
    if (operation === undefined) return false;
    this.#operations.delete(key);
    this.#context.noteDelivery(step);
    if (step.outcome.ok) operation.resolve(step.outcome.value);
    else operation.reject(fromFailure(step.outcome.failure));
    return true;
  }

  /** A body or a commit is under way, and nothing is to be done before it is over. */
  #isUnderWay(): boolean {
    return this.#busy > 0 && this.#options.loaded.seed.size === 0 && this.#host.rest === undefined;
  }

  /** Durable code does not go on by itself: it waits for a body, for something durable, or for something that is none of our business. */
  #rest(): void {
    if (this.#isStopped || this.#isLeaving || this.#settled !== null || this.#serveNext()) return;
    this.#host.rest?.();
    if (this.#busy > 0) return;
    if (this.#unwind?.hasArrived === false && !this.#isDraining) {
      if (this.#unwind.isComplete) this.#unwind.arrive();
      // It may await something of its own before it registers the next: as long as the run could that is undone.
      else this.#beginGrace(true);
      return;
    }
    const pending = [...this.#operations.values()];
    const isWaiting = pending.length > 0 && pending.every((operation) => operation.state === "waiting");
    if (isWaiting && this.#pump.isEmpty) void this.#suspend(pending);
    else if (this.#isDraining) void this.#release();
    else if (!this.#pump.isEmpty || pending.length === 0) this.#beginGrace(pending.length === 0);
  }

  #beginGrace(awaitsNothingOfOurs: boolean): void {
    const { clock, limits } = this.#options;
    this.#grace = clock.setTimer(awaitsNothingOfOurs ? limits.foreignAwaitGraceMs : limits.mismatchGraceMs, () => this.#endGrace());
  }

  #endGrace(): void {
    this.#grace = null;
    if (this.#isStopped || this.#isLeaving || this.#settled !== null || this.#busy > 0) return;
    if (this.#unwind?.hasArrived === false) this.#unwind.giveUp();
    else if (this.#operations.size === 0) void this.#leave(() => this.#host.fail("foreign-await", foreignAwait(this.#stuck())));
    else void this.#park(codeMismatch(this.#stuck()));
  }

  async #suspend(pending: readonly Operation[]): Promise<void> {
    const first = pending.toSorted((a, b) => a.number - b.number)[0];
    const { request } = first ?? {};
    const reason = request?.type === "wait" ? request.spec.reason : "child";
    await this.#leave(() => this.#host.suspend(reason, this.#pump.deliveredCount));
  }

  async #release(): Promise<void> {
    await this.#leave(() => this.#host.release());
  }

  async #park(error: Error): Promise<void> {
    await this.#leave(() => this.#host.park(error));
  }

  async #finish(settled: Settled): Promise<void> {
    const isUnexpected = this.#pump.undelivered.some(({ key }) => !this.#operations.has(key));
    if (isUnexpected) await this.#park(codeMismatch(this.#stuck()));
    else if (settled.ok) await this.#leave(() => this.#host.end(settled.end));
    else await this.#leave(() => this.#host.fail("failed", settled.error));
  }

  /** Ends a run that is over one of its limits. */
  #endOver(error: Error, reason: DeadReason): void {
    this.#context.fence();
    void this.#leave(() => this.#host.fail(reason, error));
  }

  /** Tells once, while the run is in memory, that it comes near a limit. */
  #announce(limit: NearLimit["limit"], value: number, max: number): void {
    if (value < max * nearLimitRatio || this.#announced.includes(limit)) return;
    this.#announced = [...this.#announced, limit];
    this.#track(this.#host.announce({ limit, value, max }));
  }

  /** Takes one exit. When the store refuses it because something was journaled meanwhile, the run goes on. */
  async #leave(exit: () => Promise<boolean>): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    try {
      const hasLeft = await exit();
      this.#isLeaving = false;
      if (hasLeft) return;
      if (this.#isInterrupted) await this.#release();
      else this.#pump.poke();
    } catch (error) {
      this.#isLeaving = false;
      this.#fail(error);
    }
  }

  /** The engine itself could not go on with this run. */
  #fail(error: unknown): void {
    if (this.#isStopped) return;
    if (this.#host.isFinal(error) || this.#hasFailed) {
      this.stop(() => error as Error);
      this.#host.lose(error);
      return;
    }
    this.#hasFailed = true;
    this.#settle({ ok: false, error });
  }

  #stuck(): StuckRun {
    return { taskId: this.#options.loaded.task.id, runId: this.#options.loaded.runId, expected: this.#pump.undelivered.find(({ key }) => !this.#operations.has(key))?.step, pending: [...this.#operations.values()] };
  }
}

/** Holds nothing of the run: who asks it may outlive that. */
function countFrom(clock: Clock, beforeMs: number): () => number {
  const sinceMs = clock.monotonicMs();
  return () => Math.round(beforeMs + clock.monotonicMs() - sinceMs);
}
