import { existsSync, readFileSync } from "node:fs";
import { canonicalJson } from "../../src/base/json.ts";
import { seededRandom } from "../../src/base/random.ts";

/** What the courier is to deliver, and to whom. */
export interface Delivery {
  readonly order: string;
  readonly fact: string;
  /** Null where the caller gave none. */
  readonly key: string | null;
  readonly receipt: string;
}

export interface OutsideOptions {
  /** Where a process of its own keeps the deliveries. Default: in this one. */
  readonly file?: string;
  readonly onDelivery?: (delivery: Delivery) => void;
}

/**
 * What is outside of the team and outlives its process: the source that holds the seeded truth, and the sink that keeps every delivery it ever got. It
 * does not deduplicate, so that a second one is seen.
 */
export class Outside {
  readonly #options: OutsideOptions;
  readonly order: string;
  /** The truth. */
  readonly fact: string;
  readonly #deliveries: Delivery[] = [];

  constructor(seed: number, options: OutsideOptions = {}) {
    this.#options = options;
    const random = seededRandom(`failures/${seed}`);
    this.order = `o-${1_000 + Math.floor(random.next() * 9_000)}`;
    this.fact = `shelf ${1 + Math.floor(random.next() * 500)}`;
  }

  get deliveries(): readonly Delivery[] {
    const { file } = this.#options;
    if (file === undefined) return this.#deliveries;
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Delivery);
  }

  deliver(order: string, fact: string, key: string | null): { readonly receipt: string } {
    const receipt = `r-${this.#deliveries.length + 1}`;
    const delivery = { order, fact, key, receipt };
    this.#deliveries.push(delivery);
    this.#options.onDelivery?.(delivery);
    return { receipt };
  }

  /** What the sink answers to whoever asks whether an order was delivered. */
  find(order: string): Delivery | null {
    return this.deliveries.find((delivery) => delivery.order === order) ?? null;
  }

  /** What is wrong with what happened outside: duplicates of one intent, and deliveries of what is not true. */
  violations(): readonly string[] {
    const groups = Map.groupBy(this.deliveries, ({ order }) => order);
    const twice = [...groups].filter(([, group]) => group.length > 1).map(([order, group]) => `${order} was delivered ${group.length} times: ${canonicalJson(group.map(({ key }) => key))}`);
    const untrue = this.deliveries.filter(({ order, fact }) => order !== this.order || fact !== this.fact);
    return [...twice, ...untrue.map(({ order, fact }) => `"${fact}" was delivered for ${order}, which is not true`)];
  }
}
