import { orAborted } from "../../base/abort.ts";
import { sleep, type Clock } from "../../base/clock.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";
import { runGivenBack } from "../refusal.ts";
import { Calls } from "./calls.ts";
import type { Activation } from "./claim.ts";
import type { RestateClient } from "./restate-client.ts";
import type { RestateEndpoint } from "./restate-endpoint.ts";
import { serviceNames } from "./service-names.ts";
import { delayedMs, StoreWatch } from "./store-watch.ts";
import { markGivenBack } from "./tasks.ts";
import type { Writer } from "./writer.ts";

export interface OutageOptions {
  readonly clock: Clock;
  readonly db: PostgresDatabase;
  readonly writer: Writer;
  readonly client: RestateClient;
  readonly team: string;
  /** Null while this process does not listen, or has shut its port for good. */
  readonly endpoint: () => RestateEndpoint | null;
  readonly ids: (prefix: string) => string;
  readonly onBack: () => void;
  /** These were noted as given back when this process reached PostgreSQL again: they go on here. */
  readonly onTakenInVain: (activations: readonly Activation[]) => void;
  readonly onFault: (error: unknown) => void;
}

/** Until it is asked again what became of an offer. */
const offerMs = 1_000;

/**
 * What a process does that does not reach PostgreSQL.
 *
 * O1 it turns away what Restate calls: another process may be able to do it, and a call for slots that waited here would keep an agent's slots from all;
 * O2 what it was executing it offers to the others, through Restate. Whoever takes it notes that no crash interrupted it, and only then Restate has it back;
 * O3 while nobody takes it, PostgreSQL is away from all: runs stay where they are, and go on when it is back. An offer that is taken then is one in vain: what was noted is
 *    taken back.
 */
export class Outage {
  readonly calls = new Calls();
  readonly #options: OutageOptions;
  readonly #watch: StoreWatch;
  readonly #closing = new AbortController();

  constructor(options: OutageOptions) {
    const { clock, db, onFault } = options;
    this.#options = options;
    this.#watch = new StoreWatch({
      clock, onFault,
      ask: (withinMs) => db.ask(withinMs),
      onAway: (back) => this.#onAway(back),
      onBack: () => this.#onBack(),
    });
    db.tellOfDelays(delayedMs, () => this.#watch.delayed());
  }

  /** Rejects when PostgreSQL is away. */
  async orTurnedAway<T>(work: () => Promise<T>): Promise<T> {
    return await orAborted(this.#watch.away, work);
  }

  /** Before something is begun that needs PostgreSQL. A handler of a platform has no port to shut. @throws {STORE_UNREACHABLE} when it is away. */
  assertThere(): void {
    this.#watch.away.throwIfAborted();
  }

  /** Another process offers these. */
  async take(activations: readonly Activation[]): Promise<void> {
    // An offer of this process, made before PostgreSQL was back here, is void.
    const others = activations.filter((activation) => !this.calls.has(activation));
    await this.orTurnedAway(() => this.#options.writer.persist((change) => markGivenBack(change.db, others)));
  }

  close(): void {
    this.#closing.abort();
    this.#watch.close();
  }

  #onAway(back: AbortSignal): void {
    this.#options.endpoint()?.withdraw();
    void this.#offer(back);
  }

  async #onBack(): Promise<void> {
    await this.#options.endpoint()?.return();
    this.#options.onBack();
  }

  /** One call, however long nobody takes it and however often its answer is asked for: it is carried out once, and what it came to is known here. */
  async #offer(back: AbortSignal): Promise<void> {
    const { clock, client, team, ids, onTakenInVain } = this.#options;
    const { signal } = this.#closing;
    // None comes to these: what Restate calls is turned away.
    const activations = this.calls.list();
    if (activations.length === 0) return;
    const idempotencyKey = ids("o");
    while (!signal.aborted) {
      try {
        await client.callService(serviceNames(team).outage, "take", activations, { signal, idempotencyKey });
        if (back.aborted) onTakenInVain(activations);
        else this.calls.giveBack(activations, runGivenBack());
        return;
      } catch {
        // Nobody reaches PostgreSQL, or Restate is away.
      }
      await sleep(clock, offerMs, signal).catch(() => undefined); // Closed.
    }
  }
}
