import { sleep, type Clock, type Timer } from "../../base/clock.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../../base/error.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";
import { engineClosed } from "../refusal.ts";
import { noWorkerThere } from "./no-worker-there.ts";
import { readPlace } from "./place.ts";
import { troubleAtIngress } from "./reachable.ts";
import type { RestateAddresses, RestateClient } from "./restate-client.ts";
import { type ComingWorker, isSameAddress, type LiveWorker, refuseAddress, teamAddress } from "./team-address.ts";
import { addWorker, addWorkerAgain, aliveMs, beatWorker, listWorkers, removeWorker } from "./workers.ts";

export interface MembershipOptions {
  readonly team: string;
  /** Names this process, for people. */
  readonly worker: string;
  readonly clock: Clock;
  readonly db: PostgresDatabase;
  readonly client: RestateClient;
  readonly restate: RestateAddresses;
  /** Public keys of the Restate servers that may call this worker. */
  readonly identityKeys: readonly string[];
  /** How often this worker says that it lives, and looks, when it has the duties, whether Restate calls the team where it is; null: never. */
  readonly beatMs: number | null;
  /** Told, for people, that the team's address changed, or that Restate does not answer. */
  readonly onNotice: (text: string) => void;
}

/** As long as a balancer may take to find out that a worker has come. */
const balancerMsMax = 30_000;
const registerAgainMs = 500;
/** What Restate says when somebody is there who refuses it. */
const answered = /got status code '4/;

/**
 * This process as one of the team's workers. Each keeps a row while it takes calls, from when Restate has found it on, so that Restate is led to an address where one is: by a worker that comes, by one that
 * goes, and by whoever has the duties when it was led elsewhere all the same.
 */
export class Membership {
  readonly #options: MembershipOptions;
  #joining: Promise<void> | null = null;
  readonly #leaving = new AbortController();
  /** Of this worker's row; null while it takes no calls. */
  #position: number | null = null;
  #timer: Timer | null = null;
  /** Restate is being led to the team. */
  #leading: Promise<void> | null = null;
  #hasDuties = false;
  #trouble: string | null = null;
  /** It is not known where Restate calls the team. */
  #isBlind = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Leads Restate here. @throws {OPTION_INVALID} when that took all calls from other workers, or the team is not there. @throws {ENGINE_UNREACHABLE} */
  join(uri: string, isAdvertised: boolean): Promise<void> {
    this.#joining = this.#join({ name: this.#options.worker, uri, isAdvertised });
    return this.#joining;
  }

  /** Calls go to the others from now on. */
  async leave(): Promise<void> {
    this.#leaving.abort(engineClosed());
    this.stop();
    await this.#joining?.catch(() => undefined); // Whoever asked for it is told.
    const position = this.#position;
    if (position === null) return;
    this.#position = null;
    const { db, worker: name } = this.#options;
    await removeWorker(db, { position, name });
    // What was read before this worker's row was gone must not have the last word.
    await this.#leading;
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

  async #join(coming: ComingWorker): Promise<void> {
    const { db, team, onNotice } = this.#options;
    const { uri, isAdvertised } = coming;
    const refusal = refuseAddress(await listWorkers(db), coming, aliveMs);
    if (refusal !== null) throw refusal;
    await this.#registerInTime(coming);
    // An address counts once Restate has found a worker there: a wrong one would mislead whoever has the duties, and have others refused.
    const others = await listWorkers(db);
    this.#position = await addWorker(db, coming);
    this.#beatLater(coming);
    // Whoever has the duties may have led Restate back before there was a row. What cannot be done now is by them.
    await this.#lead(await listWorkers(db)).catch(() => undefined);
    const before = teamAddress(others);
    if (isAdvertised && before !== null && !isSameAddress(before, uri)) onNotice(`Restate calls ${team} at ${uri}, and no longer ${before}, where ${others.findLast((worker) => worker.uri === before)?.name ?? "another worker"} is. Start the other workers anew with the same --advertise.`);
  }

  /** Where a balancer is, Restate may find nobody for a while: it looks first whether a worker that listens also speaks. */
  async #registerInTime({ uri, isAdvertised }: ComingWorker): Promise<void> {
    const { clock, onNotice, restate, identityKeys } = this.#options;
    const untilMs = clock.monotonicMs() + balancerMsMax;
    for (let isTold = false; ; isTold = true) {
      try {
        await this.#register(uri);
        return;
      } catch (error) {
        const isAlone = isLonghaulError(error) && error.code === "ENGINE_UNREACHABLE" && !answered.test(error.message);
        if (!isAdvertised || !isAlone || clock.monotonicMs() >= untilMs) throw noWorkerThere(error, { uri, isAdvertised }, { admin: restate.admin, identityKeys });
        if (!isTold) onNotice(`Restate finds nobody at ${uri}, which a balancer may not lead here yet. It is tried for ${balancerMsMax / 1_000} s: ${messageOf(error)}`);
      }
      await sleep(clock, registerAgainMs, this.#leaving.signal);
    }
  }

  /** Leads Restate to an address, or back to where the team is when it finds workers there that have another database. */
  async #register(uri: string): Promise<void> {
    const { db, client, team } = this.#options;
    const [found, place] = [await client.register(uri, team), await readPlace(db)];
    if (found === null || place === null || found === place) return;
    const address = teamAddress(await listWorkers(db));
    if (address !== null) await client.register(address, team).catch(() => undefined); // Whoever has the duties does it then.
    throw new LonghaulError("OPTION_INVALID", `The workers that Restate finds at ${uri} are of a team ${team} that has another database. Give the address of this team's workers with --advertise, and each of two teams that one Restate serves a name of its own.`);
  }

  #beatLater(self: ComingWorker): void {
    const { clock, beatMs } = this.#options;
    if (beatMs === null || this.#leaving.signal.aborted) return;
    this.#timer = clock.setTimer(beatMs, () => {
      // PostgreSQL or Restate is away: the next beat tries again.
      void this.#beat(self).catch(() => undefined).finally(() => this.#timer !== null && this.#beatLater(self));
    });
  }

  async #beat(self: ComingWorker): Promise<void> {
    const { db, worker } = this.#options;
    const trouble = await this.#lookForTrouble();
    if (this.#position === null) return;
    const live = await beatWorker(db, { position: this.#position, name: worker }, trouble);
    if (!live.some(({ position, name }) => position === this.#position && name === worker)) await this.#addAgain(self);
    // It says that it lives also while that takes long.
    if (this.#hasDuties) this.#leading ??= this.#look(live).finally(() => (this.#leading = null));
  }

  /** It was silent for so long that it was forgotten, or PostgreSQL went back to an earlier state. */
  async #addAgain(self: ComingWorker): Promise<void> {
    if (this.#position === null) return;
    const { db, worker: name } = this.#options;
    const position = await addWorkerAgain(db, this.#position, self);
    if (this.#leaving.signal.aborted) await removeWorker(db, { position, name });
    else this.#position = position;
  }

  async #lookForTrouble(): Promise<string | null> {
    const { clock, restate, onNotice } = this.#options;
    const trouble = await troubleAtIngress(restate, clock);
    if ((trouble === null) !== (this.#trouble === null)) onNotice(trouble === null ? `Restate's ingress at ${restate.ingress} answers again.` : `${trouble} No task begins until it does.`);
    this.#trouble = trouble;
    return trouble;
  }

  /** See `#lead`. Whether that can be done is told when it changes. */
  async #look(live: readonly LiveWorker[]): Promise<void> {
    const { restate, team, onNotice } = this.#options;
    const failure = await this.#lead(live).then(() => null, messageOf);
    if ((failure !== null) !== this.#isBlind && !this.#leaving.signal.aborted) onNotice(failure === null ? `Restate says again where it calls ${team}.` : `Whether Restate calls ${team} where its workers are cannot be looked at by ${restate.admin}: ${failure} It is tried again.`);
    this.#isBlind = failure !== null;
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
      await client.register(address, team);
      await client.bringHere(team);
      onNotice(called === null ? `Restate did not know ${team}: it calls it at ${address} now.` : `Restate called ${team} at ${called}, where no worker is that lives or that was given that address; it calls ${address} again.`);
    } catch (error) {
      onNotice(`Restate calls ${team} ${called === null ? "nowhere" : `at ${called}`}, not at ${address}, and could not be told so: ${messageOf(error)} It is tried again.`);
    }
  }
}
