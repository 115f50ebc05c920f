import type { Clock } from "../../base/clock.ts";
import { onNextTurn } from "../../base/turn.ts";
import type { Change } from "./change.ts";

/** What can be done for many by a few statements. */
export interface Joint<K, V> {
  /** Does what it can in one transaction, and returns what that came to. It waits for no lock that somebody else has. */
  readonly together: (change: Change, items: readonly K[]) => Promise<ReadonlyMap<K, V>>;
  /** For what is left, each by itself: also when all failed because of one. */
  readonly alone: (item: K) => Promise<V>;
  /** True of a failure that each by itself would come to as well: all are told of it. Default: of none. */
  readonly isForAll?: (error: unknown) => boolean;
}

/** In one transaction at the most. */
const itemsMax = 100;
const slowMs = 1_000;

interface Waiting<K, V> {
  readonly item: K;
  readonly resolve: (value: V | Promise<V>) => void;
  readonly reject: (error: unknown) => void;
}

/** One transaction. */
type Write<K, V> = (work: (change: Change) => Promise<ReadonlyMap<K, V>>) => Promise<ReadonlyMap<K, V>>;

/** While one transaction is under way, all that is asked for meanwhile is the next one. */
export class Together<K, V> {
  readonly #write: Write<K, V>;
  readonly #clock: Clock;
  readonly #joint: Joint<K, V>;
  #waiting: Waiting<K, V>[] = [];
  #isActive = false;

  constructor(write: Write<K, V>, clock: Clock, joint: Joint<K, V>) {
    this.#write = write;
    this.#clock = clock;
    this.#joint = joint;
  }

  do(item: K): Promise<V> {
    const done = new Promise<V>((resolve, reject) => this.#waiting.push({ item, resolve, reject }));
    if (!this.#isActive) {
      this.#isActive = true;
      onNextTurn(() => void this.#work());
    }
    return done;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#orSlow(this.#do(this.#waiting.splice(0, itemsMax)));
    }
    this.#isActive = false;
  }

  async #do(batch: readonly Waiting<K, V>[]): Promise<void> {
    let done: ReadonlyMap<K, V>;
    try {
      done = await this.#write((change) => this.#joint.together(change, batch.map(({ item }) => item)));
    } catch (error) {
      if (this.#joint.isForAll?.(error) === true) {
        for (const { reject } of batch) reject(error);
        return;
      }
      done = new Map(); // Whose fault it is they are told by themselves.
    }
    for (const { item, resolve } of batch) resolve(done.has(item) ? (done.get(item) as V) : this.#joint.alone(item));
  }

  /** One that waits for a connection that is lost, or for the server, keeps the next ones for a moment only. */
  async #orSlow(work: Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(slowMs, resolve);
      void work.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
