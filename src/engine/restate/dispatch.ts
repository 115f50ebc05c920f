import type { RestateClient } from "./restate-client.ts";
import { serviceNames } from "./service-names.ts";

/** What is asked for one agent. */
interface Asked {
  isAskedAgain: boolean;
  /** Resolves when it was answered, or given up. */
  settled: Promise<void>;
}

/** Of the one call for an agent's slots that waits with Restate while that finds no worker, whoever asks. */
const waitingKey = "waiting";

/**
 * Asks the slots of agents to be given. While one call for an agent is under way, all that come meanwhile are one more. A call that was given up, since Restate finds no
 * worker, waits there all the same: after it all ask for one and the same call, however long that lasts.
 */
export class Dispatch {
  readonly #client: RestateClient;
  readonly #service: string;
  readonly #asked = new Map<string, Asked>();
  /** Agents of which a call was given up. */
  readonly #givenUp = new Set<string>();
  /** Aborts when nobody here waits for answers any more. */
  readonly #leaving = new AbortController();
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
      if (asked === undefined) this.#begin(agent);
      else asked.isAskedAgain = true;
    }
  }

  /** This process ends, and another one is to give the slots: each call that is not answered is left with Restate. Resolves when it has them all, or does not take them. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    await Promise.all([...this.#asked.values()].map(({ settled }) => settled));
  }

  stop(): void {
    this.#isStopped = true;
    this.#leaving.abort();
  }

  #begin(agent: string): void {
    const asked: Asked = { isAskedAgain: false, settled: Promise.resolve() };
    this.#asked.set(agent, asked);
    asked.settled = this.#ask(agent, asked).finally(() => this.#asked.delete(agent));
  }

  async #ask(agent: string, asked: Asked): Promise<void> {
    try {
      do {
        asked.isAskedAgain = false;
        await this.#call(agent);
      } while (asked.isAskedAgain && !this.#isStopped);
    } catch {
      // No worker has made itself known, or Restate is away: whoever sweeps asks again.
    }
  }

  async #call(agent: string): Promise<void> {
    const { signal } = this.#leaving;
    if (!signal.aborted) {
      try {
        if (this.#givenUp.has(agent)) await this.#client.callObject(this.#service, agent, "dispatch", { signal, idempotencyKey: waitingKey });
        this.#givenUp.delete(agent);
        // The one that waited may have looked before there was what is asked for now.
        await this.#client.callObject(this.#service, agent, "dispatch", { signal });
        return;
      } catch (error) {
        if (!signal.aborted) {
          this.#givenUp.add(agent);
          throw error;
        }
      }
    }
    if (!this.#isStopped) await this.#client.sendObject(this.#service, agent, "dispatch");
  }
}
