import type { Bell } from "./change.ts";
import { removeBells } from "./bells.ts";
import type { RestateClient } from "./restate-client.ts";
import type { Writer } from "./writer.ts";

/** Rings the bells of committed changes: an activation in memory is told that its wait has ended. One that is not rung here is rung by whoever sweeps. */
export class Ringer {
  readonly #client: RestateClient;
  readonly #writer: Writer;
  readonly #ringing = new Map<number, Promise<void>>();

  constructor(client: RestateClient, writer: Writer) {
    this.#client = client;
    this.#writer = writer;
  }

  get isIdle(): boolean {
    return this.#ringing.size === 0;
  }

  ring(bells: readonly Bell[]): void {
    for (const bell of bells) if (!this.#ringing.has(bell.position)) this.#ringing.set(bell.position, this.#ring(bell).finally(() => this.#ringing.delete(bell.position)));
  }

  /** Resolves when all was rung, or is left to others. */
  async settled(): Promise<void> {
    await Promise.all(this.#ringing.values());
  }

  async #ring({ position, awakeable, step }: Bell): Promise<void> {
    try {
      await this.#client.resolveAwakeable(awakeable, step);
      await this.#writer.persist((change) => removeBells(change.db, [position]));
    } catch {
      // Restate did not take it, or the engine closes: the bell is still in its table.
    }
  }
}
