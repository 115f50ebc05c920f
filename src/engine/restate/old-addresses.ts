import type { RestateClient } from "./restate-client.ts";
import { isSameAddress, type LiveWorker } from "./team-address.ts";

/** Each time that Restate is asked, so many looks are over: ten minutes, usually. */
const looksBetween = 60;

/**
 * Addresses where Restate called the team before, and would keep for ever: a worker that starts at another port each time leaves one each time. Those where no call is any
 * more, nor a worker that lives, are removed, once they were so at two looks: what Restate was about to call there is there at the second one.
 */
export class OldAddresses {
  readonly #client: RestateClient;
  readonly #team: string;
  #looks = 0;
  #idle: ReadonlySet<string> = new Set();

  constructor(client: RestateClient, team: string) {
    this.#client = client;
    this.#team = team;
  }

  /** Called with each look of the one with the duties. Rejects when Restate is away. */
  async look(live: readonly LiveWorker[]): Promise<void> {
    if (++this.#looks % looksBetween !== 0) return;
    const earlier = this.#idle;
    this.#idle = new Set();
    const idle = (await this.#client.idleDeployments(this.#team)).filter(({ uri }) => !live.some((worker) => isSameAddress(worker.uri, uri)));
    for (const { id } of idle) if (earlier.has(id)) await this.#client.removeDeployment(id);
    this.#idle = new Set(idle.map(({ id }) => id));
  }
}
