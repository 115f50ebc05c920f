import { RestateError, RestatePromise, type Context, type internal } from "@restatedev/restate-sdk";
import { LonghaulError } from "../../base/error.ts";
import { macrotask } from "../../base/turn.ts";
import { describeStep, type StepIdentity } from "../../record/step.ts";
import type { DeadReason, WaitingReason } from "../../record/task.ts";
import type { Write } from "../../record/write.ts";
import type { NearLimit, RunEnd } from "../engine.ts";
import { keyOf, outcomeText, type JournaledStep, type SeededOutcome } from "../journaled-step.ts";
import type { Operation, Performed } from "../operation.ts";
import type { RunHost } from "../run-host.ts";
import { AttemptLost } from "./attempt-lost.ts";
import type { FactStore, ToldSteps } from "./facts.ts";
import { asStored } from "./journal.ts";
import { announceNearLimit, endRun, failRun, parkRun, releaseRun, suspendRun, type Leaving } from "./run-exits.ts";
import { beginChild, beginWait, executeStep, executeTransaction, type Envelope, type StepScope } from "./steps.ts";

export interface ActivationHostOptions {
  readonly context: Context;
  readonly scope: StepScope;
  /** When the run began: the time of what is served instead of executing. */
  readonly startedAtMs: number;
  readonly told: ToldSteps;
  readonly facts: FactStore;
  readonly codeVersion: string;
  /** True when the run is on its way back to Restate: what its steps come to from now on is not for its journal. */
  readonly isGivenBack: () => boolean;
  /** Told of each completed step, in the order in which code is to be told. */
  readonly onCompleted: (step: JournaledStep) => void;
  /** The run has left memory, or cannot go on in it. */
  readonly onLeft: () => void;
  /** Restate is to call the run again. */
  readonly onLost: (error: Error) => void;
  readonly onReleased: () => void;
}

/** All steps have one name for Restate. Which one it is stands in what it comes to: so changed code is found by us and parked, and not by Restate. */
const runName = "step";

/** Steps of one run that execute at once; the others wait for them. A race over many costs Restate's SDK more than the steps. */
const runningMax = 64;

/** Steps of one journal that are gone past at the most: more than a run may have. */
const passedMax = 100_000;

/** Restate's code for code that does not fit the journal. */
const journalMismatch = 570;

type Arrival<T> = { readonly key: string; readonly value: T | undefined; readonly error: Error | undefined };

/** What a run waits for in Restate. */
interface Outstanding {
  readonly promise: RestatePromise<Arrival<unknown>>;
  readonly arrive: (arrival: Arrival<never>) => void;
}

/**
 * What one activation does in Restate and in the tables.
 *
 * A1 Restate sees nothing of a run but `run` of one name and awakeables, in the order in which code asked: that order depends on what code was told, and on nothing else;
 * A2 one race at a time over all that is outstanding, begun while code is at rest: so a replay is told the same in the same order;
 * A3 a step that others see is in the tables before Restate knows of it; one that nobody else sees is in Restate first, and in the tables before the run leaves memory.
 */
export class ActivationHost implements RunHost {
  readonly #options: ActivationHostOptions;
  readonly #leaving: Leaving;
  readonly #outstanding = new Map<string, Outstanding>();
  readonly #queue: (() => void)[] = [];
  #running = 0;
  /** Code was told of a step that it did not ask for, and will be parked. */
  #hasChanged = false;
  #isRacing = false;
  #isAtRest = false;
  #isOver = false;
  /** Whether the run has left memory since code came to rest. */
  #suspension: Promise<boolean> | null = null;
  #wake: (() => void) | null = null;

  constructor(options: ActivationHostOptions) {
    this.#options = options;
    const { scope, told } = options;
    this.#leaving = { writer: scope.writer, ids: scope, told };
  }

  isStored(): boolean {
    return false;
  }

  async perform(operation: Operation, seeded: SeededOutcome | undefined): Promise<Performed> {
    if (seeded !== undefined) return this.#serve(operation, seeded);
    const { context } = this.#options;
    const key = keyOf(operation.identity);
    const { request } = operation;
    const isWait = request.type === "wait" || request.type === "child";
    const awakeable = isWait ? context.awakeable<JournaledStep>() : null;
    if (this.#isRacing) throw foreignStep(operation.identity);
    if (this.#running >= runningMax) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#running++;
    const envelope = await this.#arrival(key, context.run(runName, () => this.#journaled(this.#execute(operation, awakeable?.id ?? ""))));
    this.#running--;
    this.#queue.shift()?.();
    if (envelope.type === "gone") this.#options.onLeft();
    // What another step came to is told as such: code that changed while the run was in memory is found by it, and parked.
    if (envelope.type === "ended") this.#complete(envelope.step, envelope.writes);
    this.#hasChanged ||= envelope.type === "ended" && keyOf(envelope.step) !== key;
    if (envelope.type !== "waiting") return "ended";
    if (awakeable === null || keyOf(envelope.identity) !== key) {
      if (!this.#hasChanged) await this.park(this.#mismatch(operation, envelope.identity));
      return "ended";
    }
    // Whoever ends the wait rings; after a suspension the next activation asks anew.
    this.#arrival(key, awakeable.promise).then((step) => this.#complete(step, []), () => this.#options.onLeft());
    return "waiting";
  }

  suspend(reason: WaitingReason, deliveredCount: number): Promise<boolean> {
    const hasLeft = this.#leave(suspendRun(this.#leaving, reason, deliveredCount));
    this.#suspension = hasLeft.catch(() => false); // Whoever asked is told.
    return hasLeft;
  }

  release(): Promise<boolean> {
    const released = releaseRun(this.#leaving).then((hasLeft) => {
      if (hasLeft) this.#options.onReleased();
      return hasLeft;
    });
    return this.#leave(released);
  }

  park(error: Error): Promise<boolean> {
    return this.#leave(parkRun(this.#leaving, this.#options.codeVersion, error));
  }

  end(end: RunEnd): Promise<boolean> {
    return this.#leave(endRun(this.#leaving, end));
  }

  fail(reason: DeadReason, error: unknown): Promise<boolean> {
    return this.#leave(failRun(this.#leaving, reason, error));
  }

  announce(nearLimit: NearLimit): Promise<void> {
    return announceNearLimit(this.#leaving, nearLimit);
  }

  isFinal(error: unknown): boolean {
    return this.#isOver || error instanceof AttemptLost;
  }

  lose(error: unknown): void {
    this.#options.onLost(error as Error);
  }

  /** True when Restate's journal goes on and is being waited for: in this attempt nobody goes past it. */
  get isReplaying(): boolean {
    return this.#isRacing && !(this.#options.context as unknown as internal.ContextInternal).isProcessing();
  }

  rest(): void {
    this.#isAtRest = true;
    this.#wake?.();
  }

  /** Tells code what Restate has to tell, one after the other. Ends with `stop`, or by Restate's own failure. */
  async drive(): Promise<void> {
    while (!this.#isOver) {
      if (!this.#isAtRest || this.#outstanding.size === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const arrival = await this.#race();
      if (arrival === null) return;
      this.#isAtRest = false;
      const waiting = this.#outstanding.get(arrival.key);
      this.#outstanding.delete(arrival.key);
      waiting?.arrive(arrival as Arrival<never>);
    }
  }

  /** What comes first; null when the run has left memory instead. That is known before: behind a fetch handler, Restate would keep a call that awaits what will never come. */
  async #race(): Promise<Arrival<unknown> | null> {
    this.#isRacing = true;
    try {
      if ((await this.#suspension) === true) return null;
      return await RestatePromise.race([...this.#outstanding.values()].map(({ promise }) => promise));
    } catch (error) {
      // The journal goes on with steps while code waits for something else only. This attempt is over for Restate; the next one passes the journal.
      if (error instanceof RestateError && error.code === journalMismatch) await this.park(this.#mismatch(null, null));
      throw error;
    } finally {
      this.#isRacing = false;
    }
  }

  #mismatch(came: Operation | null, expected: StepIdentity | null): LonghaulError {
    const { taskId, runId } = this.#options.scope;
    const wanted = expected === null ? "another step" : describeStep(expected);
    const asked = came === null ? "a wait" : `${describeStep(came.identity)} (step ${came.number})`;
    const message = `The code of run ${runId} changed while it executed: expected ${wanted}, came ${asked}. Run it with the code that it began with, or restart the task: longhaul restart ${taskId}`;
    return new LonghaulError("ENGINE_CODE_MISMATCH", message, { details: { taskId, runId, expected: wanted, came: asked, ...(expected === null ? {} : { expectedStep: { ...expected } }) } });
  }

  stop(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  #arrival<T>(key: string, promise: RestatePromise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#outstanding.set(key, {
        promise: promise.map<Arrival<unknown>>((value, error) => ({ key, value, error })),
        arrive: ({ value, error }) => (error === undefined ? resolve(value as T) : reject(error)),
      });
    });
  }

  /** What the next attempt finds out by itself must not be told to it. */
  async #journaled(executed: Promise<Envelope>): Promise<Envelope> {
    const envelope = await executed;
    const { scope, isGivenBack } = this.#options;
    if (envelope.type === "superseded") throw new AttemptLost(scope.runId);
    // What was told to stop has come to nothing either.
    const isNothing = isGivenBack() || (envelope.type === "gone" && scope.signal.aborted);
    return isNothing ? await new Promise<never>(() => undefined) : envelope;
  }

  #execute(operation: Operation, awakeable: string): Promise<Envelope> {
    const { scope } = this.#options;
    const { request } = operation;
    switch (request.type) {
      case "step":
        return executeStep(scope, operation, request.body);
      case "transaction":
        return executeTransaction(scope, operation, request.body);
      case "wait":
        return beginWait(scope, operation, request.spec, { requestedAtMs: request.requestedAtMs, awakeable });
      case "child":
        return beginChild(scope, operation, request.task, awakeable);
    }
  }

  /** A seeded outcome is journaled as attempt 0, with the times that it had: nothing executed. */
  #serve({ identity, number }: Operation, { outcome, startedAtMs, completedAtMs }: SeededOutcome): Performed {
    const { kind, name, occurrence } = identity;
    const begunAtMs = startedAtMs ?? this.#options.startedAtMs;
    this.#complete(asStored({ kind, name, occurrence, number, attempt: 0, startedAtMs: begunAtMs, completedAtMs: completedAtMs ?? begunAtMs, outcome }, outcomeText(outcome)), []);
    return "ended";
  }

  #complete(step: JournaledStep, writes: readonly Write[]): void {
    const { told, facts, onCompleted } = this.#options;
    told.add(step, writes);
    facts.note(told);
    onCompleted(step);
  }

  async #leave(exit: Promise<boolean>): Promise<boolean> {
    const hasLeft = await exit;
    if (hasLeft) this.#options.onLeft();
    return hasLeft;
  }
}

/**
 * Goes past what Restate's journal holds and nobody asks for any more, since it lets nobody return before. Returns it.
 * Steps that were cut off have begun side by side: none is awaited before all that had begun are asked for again.
 */
export async function passJournal(context: Context): Promise<readonly Envelope[]> {
  const journal = context as unknown as internal.ContextInternal;
  const { attemptCompletedSignal } = context.request();
  const asked: RestatePromise<Envelope>[] = [];
  while (!journal.isProcessing()) {
    asked.push(context.run<Envelope>(runName, () => ({ type: "gone" })));
    // Of an attempt that Restate has given up the journal is never passed.
    await macrotask();
    if (attemptCompletedSignal.aborted || asked.length > passedMax) throw new Error("Restate has given up this attempt.");
  }
  return asked.length === 0 ? [] : await RestatePromise.all(asked);
}

/** Restate replays what depends on completions alone. A step that came while nothing was completed would be in another place the next time. */
function foreignStep(identity: StepIdentity): LonghaulError {
  const message = `${describeStep(identity)} was asked for by code that had awaited something other than ctx while other steps were under way. Wrap what it awaited in ctx.step.`;
  return new LonghaulError("ENGINE_FOREIGN_AWAIT", message, { details: { deadReason: "foreign-await" } });
}
