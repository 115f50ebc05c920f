import type { RestateClient } from "./restate-client.ts";
import { serviceNames } from "./restate-services.ts";

/** Asks the slots of agents to be given. While one call for an agent is under way, all that come meanwhile are one more. */
export class Dispatch {
  readonly #client: RestateClient;
  readonly #service: string;
  readonly #asked = new Map<string, { isAskedAgain: boolean }>();
  /** Aborts when nobody here waits for answers any more. */
  readonly #leaving = new AbortController();
  #idle: (() => void)[] = [];
  #isStopped = false;

  constructor(client: RestateClient, team: string) {
    this.#client = client;
    this.#service = serviceNames(team).slots;
  }

  get isIdle(): boolean {
    return this.#asked.size === 0;
  }

  ask(agents: Iterable<string>): void {
    if (this.#isStopped) return;
    for (const agent of agents) {
      const asked = this.#asked.get(agent);
      if (asked === undefined) void this.#ask(agent);
      else asked.isAskedAgain = true;
    }
  }

  /** From now on another process is to give the slots: calls are left with Restate, also those that are under way, and nobody here waits until there is one. */
  leaveToOthers(): void {
    this.#leaving.abort();
  }

  /** Resolves when Restate has all that was asked, or does not take it. */
  async settled(): Promise<void> {
    if (!this.isIdle) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  stop(): void {
    this.#isStopped = true;
    this.#leaving.abort();
  }

  async #ask(agent: string): Promise<void> {
    const asked = { isAskedAgain: false };
    this.#asked.set(agent, asked);
    try {
      do {
        asked.isAskedAgain = false;
        await this.#call(agent);
      } while (asked.isAskedAgain && !this.#isStopped);
    } catch {
      // No worker has made itself known, or Restate is away: whoever sweeps asks again.
    } finally {
      this.#asked.delete(agent);
      if (this.isIdle) for (const wake of this.#idle.splice(0)) wake();
    }
  }

  async #call(agent: string): Promise<void> {
    const { signal } = this.#leaving;
    if (!signal.aborted) {
      try {
        await this.#client.callObject(this.#service, agent, "dispatch", signal);
        return;
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
    if (!this.#isStopped) await this.#client.sendObject(this.#service, agent, "dispatch");
  }
}
