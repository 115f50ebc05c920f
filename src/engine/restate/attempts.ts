import type { WorkflowContext } from "@restatedev/restate-sdk";
import { orAborted } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { macrotask } from "../../base/turn.ts";
import type { EngineAgent, Execute } from "../engine.ts";
import type { EngineLimits } from "../limits.ts";
import { engineClosed } from "../refusal.ts";
import { LiveActivation } from "./activation.ts";
import type { AttemptIds } from "./attempt-state.ts";
import { beginnings, idsOf } from "./begin.ts";
import type { Call, Calls } from "./calls.ts";
import type { Change } from "./change.ts";
import type { Activation } from "./claim.ts";
import { callOf } from "./exhausted.ts";
import type { FactStore } from "./facts.ts";
import { handOn } from "./hand-on.ts";
import { LiveActivations } from "./live-activations.ts";
import { callRecorded, isReplaying, JournalEnds } from "./recorded.ts";
import { Suspects } from "./suspects.ts";
import { markChanged, markExecuting, markSuspended } from "./tasks.ts";
import type { Writer } from "./writer.ts";

export interface AttemptsOptions {
  readonly writer: Writer;
  readonly facts: FactStore;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly calls: Calls;
  /** Those of this process, by their names. */
  readonly agents: ReadonlyMap<string, EngineAgent>;
  /** What durable code is executed with; null while this process takes no calls. */
  readonly execute: () => Execute | null;
  /** True while this process answers calls at a port, also those that it had when it began to drain. Behind a handler of a platform it is the platform that ends one. */
  readonly isListening: () => boolean;
  readonly ids: (prefix: string) => string;
  /** Names this process. */
  readonly worker: string;
  readonly queueMax: (agent: string) => number;
  /** This run has begun here, or is not to. */
  readonly onBegun: (runId: string) => void;
}

/** Turns of the event loop in which the SDK tells of a suspension, after it has ended its answer. */
const noticeTurns = 3;

/**
 * An attempt whose call is cut off before it has executed for so long, in a process that lives, counts as no crash: links flap for seconds, and all that they carry with them. Of one
 * that executed for longer it counts, and so it does after many attempts (`uncountedAttemptsMax`), so that a step that is longer than its connections last is not paid for without end.
 */
const flapMsMax = 10_000;

/** The attempts at activations for which Restate calls this process, each from its beginning until it leaves memory. */
export class Attempts {
  readonly live = new LiveActivations();
  readonly suspects: Suspects;
  readonly #options: AttemptsOptions;
  readonly #ends = new JournalEnds();

  constructor(options: AttemptsOptions) {
    const { writer, clock, limits } = options;
    this.#options = options;
    this.suspects = new Suspects(writer, clock, limits);
  }

  async activate(context: WorkflowContext, activation: Activation): Promise<void> {
    await this.#options.calls.track(context.request().id, activation, (call) => this.#activate(context, activation, call));
  }

  async #activate(context: WorkflowContext, activation: Activation, call: Call): Promise<void> {
    const { writer, agents, ids, worker, onBegun, limits, facts, clock, queueMax } = this.#options;
    const execute = this.#options.execute();
    if (execute === null) throw engineClosed();
    const called = context.request().attemptCompletedSignal;
    const beginning = { agents, called, call: callOf(worker, ids("c")) };
    const begun = await orAborted(call.given.signal, () => writer.together(beginnings, { writer, activation, beginning }));
    onBegun(activation.runId);
    const agent = begun === null ? undefined : agents.get(begun.task.agent);
    if (begun === null || agent === undefined) {
      void callRecorded(context, this.#ends);
      return;
    }
    const attempt = (call.attempt = idsOf(begun));
    if (this.#options.execute() === null) await this.#decline(call, attempt);
    const over = (): AbortSignal => AbortSignal.any([call.given.signal, called]);
    if (begun.isOfOtherCode || (begun.hasSteps && !isReplaying(context))) {
      await orAborted(over(), () => handOn(context, begun, writer, this.#ends));
      return;
    }
    if (!(await this.suspects.turnOf(begun, over))) throw engineClosed();
    if (this.#options.execute() === null) await this.#decline(call, attempt);
    const live = new LiveActivation({ context, begun, agent, clock, execute, writer, facts, limits, queueMax, given: call.given.signal });
    try {
      await this.live.run(live);
    } catch (error) {
      const activeMs = live.activeMs();
      const isFlap = called.aborted && this.#options.isListening() && begun.task.attempt <= limits.uncountedAttemptsMax && activeMs - begun.task.activeMs < flapMsMax;
      if (isFlap) await this.#note(call, (change) => markSuspended(change.db, attempt, activeMs));
      throw error;
    }
  }

  /** This process stops, and nothing of the attempt has executed: Restate calls another one, and no crash is counted. */
  async #decline(call: Call, attempt: AttemptIds): Promise<never> {
    await this.#note(call, (change) => markSuspended(change.db, attempt, null));
    throw engineClosed();
  }

  /** Restate takes this invocation out of memory, and calls it again when it can go on. */
  async suspended(invocationId: string): Promise<void> {
    const call = this.#options.calls.get(invocationId);
    const attempt = call?.attempt ?? null;
    if (call === undefined || attempt === null) return;
    const activeMs = this.live.letGo(attempt);
    await this.#note(call, (change) => markSuspended(change.db, attempt, activeMs));
  }

  /** The code of this invocation waits for something else than its journal goes on with. */
  async mismatched(invocationId: string): Promise<void> {
    const call = this.#options.calls.get(invocationId);
    const attempt = call?.attempt ?? null;
    if (call !== undefined && attempt !== null) await this.#note(call, (change) => markChanged(change.db, attempt));
  }

  /** These were noted as given back in vain and execute here: from now on a crash of theirs counts again. */
  keep(activations: readonly Activation[]): void {
    for (const call of activations.flatMap((activation) => this.#options.calls.find(activation))) {
      const { attempt } = call;
      if (attempt === null || call.noting !== null || !this.live.has(attempt)) continue;
      const noting = this.#note(call, (change) => markExecuting(change.db, attempt));
      // It has not ended: what comes next is noted as well.
      void noting.then(() => {
        if (call.noting === noting) call.noting = null;
      });
    }
  }

  /** Resolves when it is noted why this call ended, if it was told, here or by who took it. */
  async noted(invocationId: string): Promise<void> {
    // The SDK ends its answer before it tells of the suspension.
    for (let turn = 0; turn < noticeTurns; turn++) await macrotask();
    await this.#options.calls.get(invocationId)?.noting;
  }

  /** Whoever takes the call meanwhile notes that nothing has crashed. What neither of them notes counts as a crash. */
  #note(call: Call, act: (change: Change) => Promise<void>): Promise<void> {
    const earlier = call.noting;
    const noting = orAborted(call.given.signal, async () => {
      await earlier;
      await this.#options.writer.persist(act, { patience: "last" });
    }).catch(() => undefined);
    call.noting = noting;
    return noting;
  }
}
