import type { Clock } from "../../base/clock.ts";
import type { RestateClient } from "./restate-client.ts";
import { workflowKey } from "./restate-services.ts";
import { serviceNames } from "./service-names.ts";
import { listLong } from "./tasks.ts";
import type { Writer } from "./writer.ts";

export interface LongRunsOptions {
  readonly writer: Writer;
  readonly client: RestateClient;
  readonly clock: Clock;
  readonly team: string;
}

/** A run that has its slot for longer is asked after. */
const longMs = 300_000;
/** Each time that it is asked, so many sweeps are over: a minute, usually. */
const sweepsBetween = 12;
/** Asked after at once: the others have their turn the next time. */
const batchMax = 100;

/**
 * Restate is asked once more to execute what has a slot for long. Of what it has under way that changes nothing; what it has not, since it lost its data or somebody ended the
 * call there, would otherwise keep its slot until the task's deadline.
 */
export class LongRuns {
  readonly #options: LongRunsOptions;
  #sweeps = 0;
  /** lh_task.serial of the last one that was asked after. */
  #after = 0;

  constructor(options: LongRunsOptions) {
    this.#options = options;
  }

  /** Called with each sweep. Rejects when PostgreSQL or Restate is away. */
  async look(): Promise<void> {
    if (this.#sweeps++ % sweepsBetween !== 0) return;
    const { writer, client, clock, team } = this.#options;
    const after = this.#after;
    this.#after = 0;
    const long = await writer.read((db) => listLong(db, clock.now() - longMs, after, batchMax));
    for (const { serial, runId, activation } of long) {
      // One that Restate refuses keeps those behind it for one turn only.
      this.#after = serial;
      await client.sendWorkflow(serviceNames(team).runs, workflowKey({ runId, activation }), "run", { runId, activation });
    }
    if (long.length < batchMax) this.#after = 0;
  }
}
