import type { RestateClient } from "./restate-client.ts";
import { serviceNames } from "./restate-services.ts";

/** Asks the slots of agents to be given. While one call for an agent is under way, all that come meanwhile are one more. */
export class Dispatch {
  readonly #client: RestateClient;
  readonly #service: string;
  readonly #asked = new Map<string, { isAskedAgain: boolean }>();
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

  stop(): void {
    this.#isStopped = true;
  }

  async #ask(agent: string): Promise<void> {
    const asked = { isAskedAgain: false };
    this.#asked.set(agent, asked);
    try {
      do {
        asked.isAskedAgain = false;
        await this.#client.callObject(this.#service, agent, "dispatch");
      } while (asked.isAskedAgain && !this.#isStopped);
    } catch {
      // No worker has made itself known, or Restate is away: whoever sweeps asks again.
    } finally {
      this.#asked.delete(agent);
    }
  }
}
