import type { Clock, Timer } from "../../base/clock.ts";
import { messageOf } from "../../base/error.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";
import { troubleAtIngress } from "./reachable.ts";
import type { RestateAddresses, RestateClient } from "./restate-client.ts";
import { isSameAddress, type LiveWorker, refuseAddress, teamAddress } from "./team-address.ts";
import { addWorker, aliveMs, beatWorker, listWorkers, removeWorker } from "./workers.ts";

export interface MembershipOptions {
  readonly team: string;
  /** Names this process, for people. */
  readonly worker: string;
  readonly clock: Clock;
  readonly db: PostgresDatabase;
  readonly client: RestateClient;
  readonly restate: RestateAddresses;
  /** How often this worker says that it lives, and looks, when it has the duties, whether Restate calls the team where it is; null: never. */
  readonly beatMs: number | null;
  /** Told, for people, that the team's address changed, or that Restate does not answer. */
  readonly onNotice: (text: string) => void;
}

/**
 * This process as one of the team's workers. Each keeps a row while it takes calls, so that Restate is led to an address where one is: by a worker that comes, by one that
 * goes, and by whoever has the duties when it was led elsewhere all the same.
 */
export class Membership {
  readonly #options: MembershipOptions;
  /** Of this worker's row; null while it takes no calls. */
  #position: number | null = null;
  #timer: Timer | null = null;
  #hasDuties = false;
  #trouble: string | null = null;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Leads Restate here. @throws {OPTION_INVALID} when that took all calls from other workers. @throws {ENGINE_UNREACHABLE} */
  async join(uri: string, isAdvertised: boolean): Promise<void> {
    const { db, client, worker: name, team, onNotice } = this.#options;
    const coming = { name, uri, isAdvertised };
    const live = await listWorkers(db);
    const refusal = refuseAddress(live, coming, aliveMs);
    if (refusal !== null) throw refusal;
    this.#position = await addWorker(db, coming);
    await client.register(uri);
    // What cannot be brought now is by whoever has the duties.
    await client.bringHere(team).catch(() => undefined);
    const before = teamAddress(live);
    if (isAdvertised && before !== null && !isSameAddress(before, uri)) onNotice(`Restate calls ${team} at ${uri}, and no longer ${before}, where ${live.at(-1)?.name ?? "another worker"} is. Start the other workers anew with the same --advertise.`);
    this.#beatLater();
  }

  /** Calls go to the others from now on. */
  async leave(): Promise<void> {
    this.stop();
    const position = this.#position;
    if (position === null) return;
    this.#position = null;
    const { db } = this.#options;
    await removeWorker(db, position);
    const others = await listWorkers(db);
    if (this.#options.beatMs !== null) await this.#lead(others);
  }

  /** This process has the duties, or has them no more. */
  setDuties(hasDuties: boolean): void {
    this.#hasDuties = hasDuties;
  }

  /** Says nothing more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #beatLater(): void {
    const { clock, beatMs } = this.#options;
    if (beatMs === null || this.#position === null) return;
    this.#timer = clock.setTimer(beatMs, () => {
      // PostgreSQL or Restate is away: the next beat tries again.
      void this.#beat().catch(() => undefined).finally(() => this.#timer !== null && this.#beatLater());
    });
  }

  async #beat(): Promise<void> {
    if (this.#position === null) return;
    const trouble = await this.#lookForTrouble();
    const live = await beatWorker(this.#options.db, this.#position, trouble);
    if (this.#hasDuties) await this.#lead(live);
  }

  async #lookForTrouble(): Promise<string | null> {
    const { clock, restate, onNotice } = this.#options;
    const trouble = await troubleAtIngress(restate, clock);
    if ((trouble === null) !== (this.#trouble === null)) onNotice(trouble === null ? `Restate's ingress at ${restate.ingress} answers again.` : `${trouble} No task begins until it does.`);
    this.#trouble = trouble;
    return trouble;
  }

  /** Leads Restate to where these are, when it calls the team elsewhere. */
  async #lead(live: readonly LiveWorker[]): Promise<void> {
    const { client, team, onNotice } = this.#options;
    const address = teamAddress(live);
    if (address === null) return;
    const called = await client.addressOf(team);
    if (called !== null && isSameAddress(called, address)) {
      await client.bringHere(team);
      return;
    }
    try {
      await client.register(address);
      await client.bringHere(team);
      onNotice(called === null ? `Restate did not know ${team}: it calls it at ${address} now.` : `Restate called ${team} at ${called}, where no worker is that lives or that was given that address; it calls ${address} again.`);
    } catch (error) {
      onNotice(`Restate calls ${team} ${called === null ? "nowhere" : `at ${called}`}, not at ${address}, and could not be told so: ${messageOf(error)} It is tried again.`);
    }
  }
}
