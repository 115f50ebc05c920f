import type { Context } from "@restatedev/restate-sdk";
import type { Clock } from "../../base/clock.ts";
import { codeVersionOf } from "../code-version.ts";
import type { EngineAgent, Execute } from "../engine.ts";
import type { EngineLimits } from "../limits.ts";
import { RunExecution } from "../run-execution.ts";
import { ActivationHost } from "./activation-host.ts";
import { AttemptLost } from "./attempt-lost.ts";
import type { AttemptIds } from "./attempt-state.ts";
import { idsOf, toldBefore, type BegunRun } from "./begin.ts";
import { Bodies } from "./bodies.ts";
import { noteStopped } from "./compensate.ts";
import type { FactStore, ToldSteps } from "./facts.ts";
import type { StepScope } from "./steps.ts";
import type { Writer } from "./writer.ts";

export interface ActivationOptions {
  readonly context: Context;
  readonly begun: BegunRun;
  readonly agent: EngineAgent;
  readonly execute: Execute;
  readonly writer: Writer;
  readonly facts: FactStore;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly queueMax: (agent: string) => number;
  /** Aborts when another process is to go on with the run. */
  readonly given: AbortSignal;
}

/** One run in this process, from its slot to its end, its suspension or its release. */
export class LiveActivation {
  readonly ids: AttemptIds;
  readonly #execution: RunExecution;
  /** True when the run was given up for a process that stops. */
  wasReleased = false;
  #host: ActivationHost | null = null;
  #isOver = false;
  #isGivenBack = false;
  readonly #given: AbortSignal;
  /** Aborts when Restate has given up the call. */
  readonly #called: AbortSignal;
  readonly #bodies = new Bodies();
  readonly #writer: Writer;
  readonly #undo: { isRegistered: boolean };
  readonly #left: Promise<void>;
  #leave: () => void = () => undefined;
  #giveBack: (reason: Error) => void = () => undefined;

  constructor(options: ActivationOptions) {
    const { begun, agent, execute, facts, clock, limits } = options;
    this.ids = idsOf(begun);
    this.#given = options.given;
    this.#writer = options.writer;
    this.#undo = { isRegistered: begun.journal.some(({ kind }) => kind === "compensate") || [...begun.seed.keys()].some((key) => key.startsWith("compensate/")) };
    this.#called = options.context.request().attemptCompletedSignal;
    this.#left = new Promise((resolve, reject) => {
      this.#leave = resolve;
      this.#giveBack = reject;
    });
    const told = toldBefore(begun);
    this.#execution = new RunExecution({
      loaded: begun, execute, clock, limits,
      activeMsMax: agent.activeMsMax ?? limits.activeMsMax,
      host: (abort, activeMs) => {
        this.#host = new ActivationHost({
          context: options.context, told, facts,
          scope: this.#scopeOf(options, abort.signal),
          startedAtMs: begun.startedAtMs,
          codeVersion: codeVersionOf(agent), activeMs,
          isGivenBack: () => this.#isGivenBack,
          onCompleted: (step, key) => this.#execution.addCompletion(step, key),
          onLost: (error) => this.#giveBack(error),
          onLeft: () => this.#onLeft(told, facts),
          onReleased: () => (this.wasReleased = true),
        });
        return this.#host;
      },
    });
  }

  /** True when nothing happens until a body, a timer or somebody else does something. */
  get isAtRest(): boolean {
    return this.#isOver || this.#execution.isAtRest;
  }

  get isTelling(): boolean {
    return !this.#isOver && this.#execution.isTelling;
  }

  /** Executes the run. Resolves when it has left memory. Rejects when another attempt has to follow, or does: what executes here is told to stop. */
  async run(): Promise<void> {
    // It may have been given up while it began: whoever listens now is not told.
    this.#given.throwIfAborted();
    if (this.#called.aborted) throw this.#lost();
    const onGiven = (): void => void this.#onGiven(this.#given.reason as Error);
    this.#given.addEventListener("abort", onGiven, { once: true });
    // Restate's SDK says so by this signal only: what awaits Restate is never told that its connection is lost.
    const onLost = (): void => this.lose();
    this.#called.addEventListener("abort", onLost, { once: true });
    this.#execution.start();
    try {
      await Promise.race([this.#left, this.#host?.drive()]);
      if (this.#host?.isUnfinished === true) throw this.#lost();
      if (this.#undo.isRegistered) void this.#noteStopped();
    } catch (error) {
      this.#execution.stop(() => this.#lost());
      throw error;
    } finally {
      this.#given.removeEventListener("abort", onGiven);
      this.#called.removeEventListener("abort", onLost);
      this.#isOver = true;
      this.#host?.stop();
      this.#execution.detach();
    }
  }

  /** What undoes the run waits for this, should it have ended. When it is not noted, that begins when its grace is over. */
  async #noteStopped(): Promise<void> {
    if (this.#bodies.isAnyLeft) await this.#bodies.ended();
    await this.#writer.persist((change) => noteStopped(change, this.ids.runId)).catch(() => undefined);
  }

  /** Restate took the run out of memory: another attempt goes on with it. Tells how long its task has executed by now. */
  letGo(): number {
    this.#isOver = true;
    this.#execution.detach();
    this.#leave();
    return this.activeMs();
  }

  /** How long its task has executed by now. */
  activeMs(): number {
    return this.#execution.activeMs();
  }

  drain(): void {
    this.#execution.drain();
  }

  interrupt(reason: Error): void {
    this.#execution.interrupt(reason);
  }

  /** The task is over, by somebody else's decision. What still executes is told so and is never applied. */
  stop(reason: Error): void {
    this.#isOver = true;
    this.#execution.stop(() => reason);
    this.#leave();
  }

  /** Another attempt is to go on with the run, or does: what executes is told to stop, and Restate to call again, should it take this one for the one that goes on. */
  lose(): void {
    this.#giveBack(this.#lost());
  }

  #lost(): AttemptLost {
    return new AttemptLost(this.ids.runId);
  }

  /** Another process is to go on with it. What executes is told to stop; Restate has the run back when that has ended, so that no effect is under way in two places. */
  async #onGiven(reason: Error): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isGivenBack = true;
    this.#execution.stop(() => reason);
    await this.#bodies.ended();
    this.#giveBack(reason);
  }

  #onLeft(told: ToldSteps, facts: FactStore): void {
    this.#isOver = true;
    facts.forget(told);
    this.#execution.detach();
    this.#leave();
  }

  #scopeOf({ begun, writer, clock, limits, queueMax }: ActivationOptions, signal: AbortSignal): StepScope {
    const { task, keyRunId, begunAtMs, recoveries } = begun;
    return {
      ...idsOf(begun),
      writer, clock, limits, queueMax, signal, keyRunId, begunAtMs,
      isSuspect: task.recoveriesWithoutProgress > 0, stepAttempt: 1 + recoveries,
      undo: this.#undo,
      bodies: this.#bodies,
      isOver: () => this.#isOver,
    };
  }
}
