import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { isFileFailure } from "../../db/file-failure.ts";
import type { EngineAgent } from "../engine.ts";
import type { Change, Effects } from "./change.ts";
import { claimReady } from "./claim.ts";
import { hasQueued } from "./tasks.ts";
import { isFinal, type Writer } from "./writer.ts";

export interface DispatcherOptions {
  readonly clock: Clock;
  readonly writer: Writer;
  readonly newId: (prefix: string) => string;
  /** Told of a bug that keeps tasks from their slots; it is tried again. */
  readonly onFault: (error: unknown) => void;
}

/** A task was queued, and the slot that it would have got in the same commit could not be given: it has to be queued without. */
export class SlotRefused extends Error {}

interface Claimed {
  readonly claimed: number;
  /** Others are ready. */
  readonly hasMore: boolean;
}

/** Between two tries after a fault. */
const retryDelayMs = 1_000;

/** Gives runs their slots. Tasks of agents that are not loaded stay queued: another version may know them. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #agents = new Map<string, EngineAgent>();
  readonly #taken = new Map<string, number>();
  /** Slots that were given in changes of which it is not known yet whether they are on disk. */
  readonly #claimed = new Map<string, number>();
  #isRunning = false;
  /** The agents to look at. */
  readonly #dirty = new Set<string>();
  /** The agents in whose queues there is nothing: a free slot of theirs has nothing to go to. */
  readonly #empty = new Set<string>();
  #isStopped = true;
  #isHeld = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** True when no run that is ready has a slot to go to. */
  get isIdle(): boolean {
    return !this.#isRunning;
  }

  start(agents: readonly EngineAgent[]): void {
    for (const agent of agents) this.#agents.set(agent.name, agent);
    this.#isStopped = false;
    this.pokeAll();
  }

  stop(): void {
    this.#isStopped = true;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** While it is held, no slot is given; whoever has one keeps it. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) this.pokeAll();
  }

  agent(name: string): EngineAgent | undefined {
    return this.#agents.get(name);
  }

  take(agent: string): void {
    this.#taken.set(agent, (this.#taken.get(agent) ?? 0) + 1);
  }

  release(agent: string): void {
    const taken = this.#taken.get(agent) ?? 0;
    assert(taken > 0, `a slot of ${agent} was given back twice`);
    this.#taken.set(agent, taken - 1);
    if (!this.#empty.has(agent)) this.#lookAt(agent);
  }

  /**
   * In the change that queues a task of this agent: what need not wait for a slot begins with the commit that brings it.
   * @throws {SlotRefused} when the slot cannot be given, for a reason that does not concern the task.
   */
  claimAtOnce(change: Change, name: string): void {
    const agent = this.#agents.get(name);
    if (agent === undefined || this.#isStopped || this.#freeSlots(agent) <= 0) return;
    try {
      this.#claim(change, agent);
    } catch (error) {
      throw isFileFailure(error) ? error : new SlotRefused(`A slot of ${name} could not be given.`, { cause: error });
    }
    // Nobody need look for what has its slot.
    const noted = change.effects.queued.lastIndexOf(name);
    if (this.#empty.has(name) && noted !== -1) change.effects.queued.splice(noted, 1);
  }

  /** What the change has claimed is in memory by now. */
  forgetClaims({ claimed }: Effects): void {
    for (const { task } of claimed) this.#claimed.set(task.agent, (this.#claimed.get(task.agent) ?? 0) - 1);
  }

  /** The change was undone: what it has claimed may be in its queue. */
  undoClaims(effects: Effects): void {
    this.forgetClaims(effects);
    for (const { task } of effects.claimed) this.noteCame(task.agent);
  }

  /** Something came into this agent's queue. */
  noteCame(agent: string): void {
    this.#empty.delete(agent);
    this.#lookAt(agent);
  }

  /** Something fell due, or no longer holds others up. */
  pokeAll(): void {
    for (const agent of this.#agents.keys()) this.#dirty.add(agent);
    this.#begin();
  }

  #lookAt(agent: string): void {
    this.#dirty.add(agent);
    this.#begin();
  }

  #begin(): void {
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#dirty.size > 0 && !this.#isStopped) await this.#dispatch();
    } catch (error) {
      if (isFinal(error)) this.#isStopped = true;
      else this.#options.onFault(error);
      if (!this.#isStopped) this.#options.clock.setTimer(retryDelayMs, () => this.pokeAll());
    } finally {
      this.#isRunning = false;
    }
  }

  async #dispatch(): Promise<void> {
    const { writer } = this.#options;
    let agents = this.#takeDirty();
    if (!agents.some((agent) => this.#freeSlots(agent) > 0)) return;
    await writer.persist((change) => {
      // The file may have refused it until the engine was drained.
      if (this.#isStopped) return;
      // Those that were poked since: tasks that come in one turn are given their slots in one commit.
      agents = [...new Set([...agents, ...this.#takeDirty()])];
      for (const agent of agents) {
        if (this.#freeSlots(agent) > 0) this.#claim(change, agent);
      }
    });
  }

  /** Gives the free slots of an agent. */
  #claim(change: Change, agent: EngineAgent): void {
    let found: Claimed;
    // More than once: of several tasks that may be what kills the process only one executes, and the slots of the others go to those behind them.
    do found = this.#claimSome(change, agent);
    while (found.claimed > 0 && found.hasMore && this.#freeSlots(agent) > 0);
    // Noted here and not after the commit: what is queued next may be known by then.
    if (found.hasMore || hasQueued(change.db, agent.name)) this.#empty.delete(agent.name);
    else this.#empty.add(agent.name);
  }

  #claimSome(change: Change, agent: EngineAgent): Claimed {
    const { claimed } = change.effects;
    const before = claimed.length;
    try {
      const hasMore = claimReady(change, agent, this.#freeSlots(agent), this.#options.newId);
      return { claimed: claimed.length - before, hasMore };
    } finally {
      this.#claimed.set(agent.name, (this.#claimed.get(agent.name) ?? 0) + claimed.length - before);
    }
  }

  #takeDirty(): readonly EngineAgent[] {
    const agents = [...this.#dirty].map((name) => this.#agents.get(name)).filter((agent) => agent !== undefined);
    this.#dirty.clear();
    return agents;
  }

  #freeSlots(agent: EngineAgent): number {
    if (this.#isHeld) return 0;
    return agent.concurrency - (this.#taken.get(agent.name) ?? 0) - (this.#claimed.get(agent.name) ?? 0);
  }
}
