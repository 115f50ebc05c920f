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
  /** Orders beside the first. Default 0. */
  readonly others?: number;
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
  /** Other orders, and what is true of them. */
  readonly others: ReadonlyMap<string, string>;
  readonly #deliveries: Delivery[] = [];
  /** By the key under which it was taken: whose it is, and the keys under which it was freed. */
  readonly #slots = new Map<string, { readonly order: string; readonly freed: Set<string> }>();

  constructor(seed: number, options: OutsideOptions = {}) {
    this.#options = options;
    const random = seededRandom(`failures/${seed}`);
    this.order = `o-${1_000 + Math.floor(random.next() * 9_000)}`;
    this.fact = `shelf ${1 + Math.floor(random.next() * 500)}`;
    this.others = new Map(Array.from({ length: options.others ?? 0 }, (_, index) => [`${this.order}-${index + 2}`, `shelf ${600 + Math.floor(random.next() * 300)}`]));
  }

  factOf(order: string): string {
    return this.others.get(order) ?? this.fact;
  }

  /** Takes a slot: once per key, as a service that is handed one does. */
  takeSlot(order: string, key: string): void {
    if (!this.#slots.has(key)) this.#slots.set(key, { order, freed: new Set() });
  }

  /** Frees what this order holds. */
  freeSlots(order: string, key: string): void {
    for (const slot of this.#slots.values()) if (slot.order === order) slot.freed.add(key);
  }

  /** How many slots this order holds. */
  slotsOf(order: string): number {
    return [...this.#slots.values()].filter((slot) => slot.order === order && slot.freed.size === 0).length;
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
    const untrue = this.deliveries.filter(({ order, fact }) => (order !== this.order && !this.others.has(order)) || fact !== this.factOf(order));
    const freedTwice = [...this.#slots.values()].filter(({ freed }) => freed.size > 1);
    return [...twice, ...freedTwice.map(({ order, freed }) => `duplicated: the slot of ${order} was freed ${freed.size} times`), ...untrue.map(({ order, fact }) => `"${fact}" was delivered for ${order}, which is not true`)];
  }
}
