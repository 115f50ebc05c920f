import { RestatePromise, TerminalError, type Context } from "@restatedev/restate-sdk";
import { LonghaulError } from "../../base/error.ts";
import { describeStep, type StepIdentity } from "../../record/step.ts";
import type { DeadReason, WaitingReason } from "../../record/task.ts";
import type { NearLimit, RunEnd } from "../engine.ts";
import type { JournaledStep, SeededOutcome } from "../journaled-step.ts";
import type { Operation, Performed } from "../operation.ts";
import { isEngineClosed } from "../refusal.ts";
import type { RunHost } from "../run-host.ts";
import { AttemptLost } from "./attempt-lost.ts";
import { EnvelopeSerde, stored, type Ended, type Envelope } from "./envelope.ts";
import type { FactStore, ToldSteps } from "./facts.ts";
import { isEndOf, isReplaying, isSame, runName, runningMax } from "./recorded.ts";
import { announceNearLimit, endRun, failRun, markForHandingOn, parkRun, releaseRun, storeTold, suspendRun, type Leaving } from "./run-exits.ts";
import { beginChild, beginWait, executeStep, executeTransaction, type StepScope } from "./steps.ts";
import { asStored, textOf } from "./step-text.ts";

export interface ActivationHostOptions {
  readonly context: Context;
  readonly scope: StepScope;
  /** When the run began: the time of what is served instead of executing. */
  readonly startedAtMs: number;
  readonly told: ToldSteps;
  readonly facts: FactStore;
  readonly codeVersion: string;
  /** How long the task has executed by now. */
  readonly activeMs: () => number;
  /** True when the run is on its way back to Restate: what its steps come to from now on is not for its journal. */
  readonly isGivenBack: () => boolean;
  /** Told of each completed step, in the order in which code is to be told. */
  readonly onCompleted: (step: JournaledStep, key: string) => void;
  /** The run has left memory, or cannot go on in it. */
  readonly onLeft: () => void;
  /** Restate is to call the run again. */
  readonly onLost: (error: Error) => void;
  readonly onReleased: () => void;
}

/** What a run waits for in Restate. */
interface Outstanding {
  readonly promise: RestatePromise<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

type Awakeable = { readonly id: string; readonly promise: RestatePromise<JournaledStep> };

interface Arrival {
  readonly from: Outstanding;
  readonly value: unknown;
  readonly error: Error | undefined;
}

/**
 * What one activation does in Restate and in the tables.
 *
 * A1 Restate sees nothing of a run but `run` of one name and awakeables, in the order in which code asked: that order depends on what code was told, and on nothing else;
 * A2 one race at a time over all that is outstanding, begun while code is at rest: so a replay is told the same in the same order;
 * A3 a step that others see is in the tables before Restate knows of it; one that nobody else sees is in Restate first, and in the tables before the run leaves memory;
 * A4 code is told of a step by what it asked for in that step's place, and takes an exit when it has asked for all that the journal holds: else the activation is handed on.
 */
export class ActivationHost implements RunHost {
  readonly #options: ActivationHostOptions;
  readonly #leaving: Leaving;
  readonly #outstanding = new Set<Outstanding>();
  readonly #queue: (() => void)[] = [];
  readonly #driven = Promise.withResolvers<void>();
  #running = 0;
  /** Restate's journal holds calls of earlier attempts that this one has not made. */
  #isReplaying: boolean;
  #isHandedOn = false;
  #isRacing = false;
  #isAtRest = false;
  #isOver = false;
  /** Whether the run has left memory since code came to rest. */
  #suspension: Promise<boolean> | null = null;
  #onArrival: () => void = () => undefined;

  constructor(options: ActivationHostOptions) {
    this.#options = options;
    const { context, scope, told, activeMs } = options;
    this.#leaving = { writer: scope.writer, ids: scope, told, activeMs };
    this.#isReplaying = isReplaying(context);
  }

  /** True when another attempt has to follow: Restate lets nobody return who has not made the calls that its journal holds. */
  get isUnfinished(): boolean {
    return this.#isReplaying || this.#isHandedOn;
  }

  isStored(): boolean {
    return false;
  }

  perform(operation: Operation, seeded: SeededOutcome | undefined): Promise<Performed> {
    if (seeded !== undefined) return this.#serve(operation, seeded);
    const { context, scope } = this.#options;
    const { request, identity } = operation;
    if (identity.kind === "compensate") scope.undo.isRegistered = true;
    const isWait = request.type === "wait" || request.type === "child";
    const awakeable = isWait ? context.awakeable<JournaledStep>() : null;
    if (this.#isRacing) return Promise.reject(foreignStep(identity));
    if (this.#running < runningMax) return this.#call(operation, awakeable);
    return new Promise<void>((resolve) => this.#queue.push(resolve)).then(() => this.#call(operation, awakeable));
  }

  #call(operation: Operation, awakeable: Awakeable | null): Promise<Performed> {
    const { context } = this.#options;
    this.#running++;
    const promise = context.run(runName, () => this.#journaled(operation, awakeable?.id ?? ""), { serde: new EnvelopeSerde() });
    this.#isReplaying &&= isReplaying(context);
    return new Promise<Performed>((resolve, reject) => {
      this.#outstanding.add({ promise, resolve: (envelope: Envelope) => resolve(this.#take(operation, envelope, awakeable)), reject });
    });
  }

  #take(operation: Operation, envelope: Envelope, awakeable: Awakeable | null): Performed | Promise<Performed> {
    this.#running--;
    this.#queue.shift()?.();
    if (envelope.type === "gone") this.#options.onLeft();
    if (!isOf(envelope, operation.identity) || (envelope.type === "waiting" && awakeable === null)) return this.#leave(() => this.#handOn()).then(() => "ended");
    if (envelope.type === "ended") this.#complete(operation, envelope);
    if (envelope.type !== "waiting" || awakeable === null) return "ended";
    // Whoever ends the wait rings; after a suspension the next activation asks anew.
    this.#outstanding.add({ promise: awakeable.promise, resolve: (step: unknown) => this.#ring(operation, step), reject: () => this.#options.onLeft() });
    return "waiting";
  }

  /** Whoever reaches Restate may ring too. What is no end of this wait is in the journal for good: the run goes on with another one. */
  #ring(operation: Operation, step: unknown): void {
    if (isEndOf(step, operation.identity)) this.#complete(operation, stored(step));
    else void this.#leave(() => this.#handOn()).catch((error: unknown) => this.lose(error));
  }

  /** While the journal goes on, the race says whether it does with what code waits for: then the run goes on. Else Restate ends the attempt, and it is handed on. */
  suspend(reason: WaitingReason, deliveredCount: number): Promise<boolean> {
    if (this.#isReplaying) return new Promise((resolve) => (this.#onArrival = () => resolve(false)));
    const hasLeft = this.#leave(() => suspendRun(this.#leaving, reason, deliveredCount));
    this.#suspension = hasLeft.catch(() => false); // Whoever asked is told.
    return hasLeft;
  }

  release(): Promise<boolean> {
    return this.#leave(() => releaseRun(this.#leaving), this.#options.onReleased);
  }

  park(error: Error): Promise<boolean> {
    return this.#leave(() => parkRun(this.#leaving, this.#options.codeVersion, error));
  }

  end(end: RunEnd): Promise<boolean> {
    return this.#leave(() => endRun(this.#leaving, end));
  }

  fail(reason: DeadReason, error: unknown): Promise<boolean> {
    return this.#leave(() => failRun(this.#leaving, reason, error));
  }

  announce(nearLimit: NearLimit): Promise<void> {
    return announceNearLimit(this.#leaving, nearLimit);
  }

  isFinal(error: unknown): boolean {
    return this.#isOver || error instanceof AttemptLost || isEngineClosed(error);
  }

  lose(error: unknown): void {
    this.#options.onLost(error as Error);
  }

  /** Whoever says so may be about to suspend the run: the race waits for that. */
  rest(): void {
    this.#isAtRest = true;
    queueMicrotask(() => this.#race());
  }

  /** While this lasts, code is told what Restate has to tell, one after the other, whenever it is at rest. Ends with `stop`, when the run has left memory, or by Restate's own failure. */
  drive(): Promise<void> {
    return this.#driven.promise;
  }

  stop(): void {
    this.#isOver = true;
    if (!this.#isRacing) this.#driven.resolve();
  }

  /** That the run has left memory is known before: behind a fetch handler, Restate would keep a call that awaits what will never come. */
  #race(): void {
    if (!this.#isAtRest || this.#isRacing || this.#isOver || this.#outstanding.size === 0) return;
    this.#isRacing = true;
    if (this.#suspension === null) this.#await();
    else void this.#suspension.then((hasLeft) => (hasLeft ? this.#driven.resolve() : this.#await()));
  }

  /** Waits for what comes first. A race of one costs Restate's SDK twice what the one does. */
  #await(): void {
    const [only, second] = this.#outstanding;
    if (only === undefined || second !== undefined) {
      const all = [...this.#outstanding].map((from) => from.promise.map<Arrival>((value, error) => ({ from, value, error })));
      RestatePromise.race(all).then(({ from, value, error }) => this.#arrive(from, value, error), this.#driven.reject);
      return;
    }
    only.promise.then((value) => this.#arrive(only, value), (error: unknown) => {
      if (error instanceof TerminalError) this.#arrive(only, undefined, error);
      else this.#driven.reject(error);
    });
  }

  #arrive(from: Outstanding, value: unknown, error?: Error): void {
    this.#isRacing = false;
    this.#isAtRest = false;
    this.#outstanding.delete(from);
    if (error === undefined) from.resolve(value as never);
    else from.reject(error);
    this.#onArrival();
    if (this.#isOver) this.#driven.resolve();
  }

  /** What the next attempt finds out by itself must not be told to it. */
  async #journaled(operation: Operation, awakeable: string): Promise<Envelope> {
    // Code came to this registration by what it was told: whoever undoes the run has to come there too.
    if (operation.identity.kind === "compensate") await storeTold(this.#leaving);
    const envelope = await this.#execute(operation, awakeable);
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
        return beginChild(scope, operation, request, awakeable);
    }
  }

  /** A seeded outcome is journaled as attempt 0, with the times that it had: nothing executed. Restate does not hear of it: it is in the tables before code is told. */
  async #serve({ identity, key, number }: Operation, { outcome, startedAtMs, completedAtMs }: SeededOutcome): Promise<Performed> {
    const { kind, name, occurrence } = identity;
    const begunAtMs = startedAtMs ?? this.#options.startedAtMs;
    const served = { kind, name, occurrence, number, attempt: 0, startedAtMs: begunAtMs, completedAtMs: completedAtMs ?? begunAtMs, outcome };
    const text = textOf(served);
    const step = asStored(served, text);
    this.#options.told.add(key, { type: "ended", step, text, writes: [], isStored: false });
    if (await storeTold(this.#leaving)) this.#options.onCompleted(step, key);
    else this.#options.onLeft();
    return "ended";
  }

  #complete({ key }: Operation, ended: Ended): void {
    const { told, facts, onCompleted } = this.#options;
    told.add(key, ended);
    facts.note(told);
    onCompleted(ended.step, key);
  }

  /** Takes an exit, unless the journal holds steps that the code did not ask for: it came here by other steps than they are. */
  async #leave(exit: () => Promise<boolean>, onLeaving: () => void = () => undefined): Promise<boolean> {
    const hasLeft = this.#isReplaying ? await this.#handOn() : await exit();
    if (!hasLeft) return false;
    onLeaving();
    this.#options.onLeft();
    return true;
  }

  async #handOn(): Promise<true> {
    await markForHandingOn(this.#leaving);
    this.#isHandedOn = true;
    return true;
  }
}

/** False when what Restate's journal holds in the place of a step is of another one: the code has changed since. */
function isOf(envelope: Envelope, identity: StepIdentity): boolean {
  if (envelope.type === "ended") return isSame(envelope.step, identity);
  return envelope.type !== "waiting" || isSame(envelope.identity, identity);
}

/** Restate replays what depends on completions alone. A step that came while nothing was completed would be in another place the next time. */
function foreignStep(identity: StepIdentity): LonghaulError {
  const message = `${describeStep(identity)} was asked for by code that had awaited something other than ctx while other steps were under way. Wrap what it awaited in ctx.step.`;
  return new LonghaulError("ENGINE_FOREIGN_AWAIT", message, { details: { deadReason: "foreign-await" } });
}
