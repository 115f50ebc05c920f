import { assert } from "../../base/assert.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import { onNextTurn } from "../../base/turn.ts";
import type { DrainReport, Execute } from "../engine.ts";
import type { JournaledStep } from "../journaled-step.ts";
import type { EngineLimits } from "../limits.ts";
import { drainOver } from "../refusal.ts";
import { RunExecution } from "../run-execution.ts";
import type { Effects } from "./change.ts";
import type { ClaimedRun } from "./claimed-run.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { createSqliteRunHost } from "./sqlite-run-host.ts";
import { isFinal, type Writer } from "./writer.ts";

export interface LiveRunsOptions {
  readonly writer: Writer;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly dispatcher: Dispatcher;
  readonly queueMax: (agent: string) => number;
  readonly activeMsMax: (agent: string) => number;
  readonly onFault: (error: unknown) => void;
}

interface LiveRun {
  readonly execution: RunExecution;
  readonly agent: string;
  /** True when it had been in a crash and had completed no step since, at the time it was claimed. */
  readonly wasInterrupted: boolean;
}

type How = Effects["left"][number]["how"];

/** How long the file may take to note that a run was interrupted. */
const releaseMsMax = 5_000;
/** How long what a step of a fenced process has come to may take to arrive: an answer that waits in a socket, a timer that fell due while the process was stopped. */
const arriveMsMax = 1_000;

/** The runs that are in memory, each with a slot. */
export class LiveRuns {
  readonly #options: LiveRunsOptions;
  readonly #runs = new Map<string, LiveRun>();
  #execute: Execute | null = null;
  #isDraining = false;
  #released = 0;
  #emptied: (() => void)[] = [];

  constructor(options: LiveRunsOptions) {
    this.#options = options;
  }

  set execute(execute: Execute) {
    this.#execute = execute;
  }

  get queueMax(): (agent: string) => number {
    return this.#options.queueMax;
  }

  get isAtRest(): boolean {
    return [...this.#runs.values()].every((run) => run.execution.isAtRest);
  }

  get isTelling(): boolean {
    return [...this.#runs.values()].some((run) => run.execution.isTelling);
  }

  launch(claimed: ClaimedRun): void {
    const { writer, clock, limits, queueMax, activeMsMax, dispatcher, onFault } = this.#options;
    assert(this.#execute !== null, "a run was claimed before the engine ran");
    const lose = (error: unknown): void => {
      this.#remove(claimed.runId);
      if (!isFinal(error)) onFault(error);
    };
    const execution = new RunExecution({
      loaded: claimed, clock, limits,
      execute: this.#execute,
      activeMsMax: activeMsMax(claimed.task.agent),
      host: (abort, activeMs) => createSqliteRunHost({ claimed, writer, clock, limits, queueMax, abort, activeMs, lose }),
    });
    const { agent, recoveriesWithoutProgress } = claimed.task;
    this.#runs.set(claimed.runId, { execution, agent, wasInterrupted: recoveriesWithoutProgress > 0 });
    dispatcher.take(agent);
    if (this.#isDraining) execution.drain();
    // Whoever brought the task has its answer first, though the code should block the event loop.
    onNextTurn(() => execution.start());
  }

  complete(runId: string, step: JournaledStep): void {
    this.#runs.get(runId)?.execution.addCompletion(step);
  }

  leave(runId: string, how: How): void {
    if (how === "released") this.#released++;
    this.#runs.get(runId)?.execution.detach();
    this.#remove(runId);
  }

  end(runId: string, reasonOf: () => Error): void {
    this.#runs.get(runId)?.execution.stop(reasonOf);
    this.#remove(runId);
  }

  /** Another process owns the file: nothing goes on. What steps have come to already gets the time to arrive and be recorded, before they are told to stop. */
  fence(reason: Error): void {
    const runs = [...this.#runs];
    for (const [runId, run] of runs) {
      run.execution.detach();
      this.#remove(runId);
    }
    void this.#options.writer.late.settled(arriveMsMax).then(() => {
      for (const [, run] of runs) run.execution.tell(() => reason);
    });
  }

  /** Nothing here will be written any more: the file takes nothing. */
  abandon(reason: Error): void {
    for (const [runId, run] of this.#runs) {
      run.execution.stop(() => reason);
      this.#remove(runId);
    }
  }

  /**
   * Resolves when no run is in memory. Those that still execute after `timeoutMs` are released as they are. When the file does not take that
   * within 5 s (a full disk), they are left as a crash would leave them.
   */
  async drain(clock: Clock, timeoutMs: number): Promise<DrainReport> {
    this.#isDraining = true;
    const reason = drainOver(timeoutMs);
    let timer: Timer;
    const interrupt = (): void => {
      timer = clock.setTimer(releaseMsMax, () => {
        this.#released += this.#runs.size;
        this.abandon(reason);
      });
      for (const run of this.#runs.values()) run.execution.interrupt(reason);
    };
    for (const run of this.#runs.values()) run.execution.drain();
    if (this.#runs.size > 0) {
      const emptied = new Promise<void>((resolve) => this.#emptied.push(resolve));
      if (timeoutMs > 0) timer = clock.setTimer(timeoutMs, interrupt);
      else interrupt();
      await emptied.finally(() => timer.cancel());
    }
    return { interrupted: this.#released };
  }

  #remove(runId: string): void {
    const run = this.#runs.get(runId);
    if (run === undefined) return;
    this.#runs.delete(runId);
    this.#options.dispatcher.release(run.agent);
    // Tasks of any agent that may be what kills the process wait for one another.
    if (run.wasInterrupted) this.#options.dispatcher.pokeAll();
    if (this.#runs.size === 0) for (const wake of this.#emptied.splice(0)) wake();
  }
}
