import type { Context } from "@restatedev/restate-sdk";
import type { Clock } from "../../base/clock.ts";
import { codeVersionOf } from "../code-version.ts";
import type { EngineAgent, Execute } from "../engine.ts";
import type { EngineLimits } from "../limits.ts";
import { RunExecution } from "../run-execution.ts";
import { ActivationHost } from "./activation-host.ts";
import { idsOf, toldBefore, type BegunRun } from "./begin.ts";
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
}

/** One run in this process, from its slot to its end, its suspension or its release. */
export class LiveActivation {
  readonly taskId: string;
  readonly runId: string;
  readonly #execution: RunExecution;
  /** True when the run was given up for a process that stops. */
  wasReleased = false;
  #host: ActivationHost | null = null;
  #isOver = false;
  readonly #left: Promise<void>;
  #leave: () => void = () => undefined;

  constructor(options: ActivationOptions) {
    const { begun, agent, execute, facts, clock, limits } = options;
    this.taskId = begun.task.id;
    this.runId = begun.runId;
    this.#left = new Promise((resolve) => (this.#leave = resolve));
    const told = toldBefore(begun);
    this.#execution = new RunExecution({
      loaded: begun, execute, clock, limits,
      host: (signal) => {
        this.#host = new ActivationHost({
          context: options.context, told, facts,
          scope: this.#scopeOf(options, signal),
          startedAtMs: begun.startedAtMs,
          codeVersion: codeVersionOf(agent),
          onCompleted: (step) => this.#execution.addCompletion(step),
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

  /** Executes the run. Resolves when it has left memory. Rejects when another attempt has to follow. */
  async run(): Promise<void> {
    this.#execution.start();
    try {
      await Promise.race([this.#left, this.#host?.drive()]);
    } finally {
      this.#isOver = true;
      this.#host?.stop();
      this.#execution.detach();
    }
    if (this.#host?.isUnfinished === true) throw new Error(`Restate's journal holds what the code of run ${this.runId} did not ask for. The next attempt sees to it.`);
  }

  /** Restate took the run out of memory: another attempt goes on with it. */
  letGo(): void {
    this.#isOver = true;
    this.#execution.detach();
    this.#leave();
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
    this.#execution.stop(reason);
    this.#leave();
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
      isOver: () => this.#isOver,
    };
  }
}
