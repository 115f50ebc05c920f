import { onTestFinished } from "vitest";
import { type Clock, systemClock } from "../../base/clock.ts";
import { createProviderSimulator, type ProviderSimulator, type ProviderSimulatorOptions } from "./provider-simulator.ts";
import { serveProviderSimulator } from "./serve-provider-simulator.ts";

export interface ServedForTest {
  readonly simulator: ProviderSimulator;
  /** Without `/v1`. */
  readonly url: string;
}

/** A simulator over real HTTP on a free port, gone when the test ends. The clock is the machine's unless one is given. */
export async function serveForTest(options: Omit<ProviderSimulatorOptions, "clock"> & { readonly clock?: Clock } = {}): Promise<ServedForTest> {
  const simulator = createProviderSimulator({ clock: systemClock, ...options });
  const server = await serveProviderSimulator({ simulator });
  onTestFinished(() => server.close());
  return { simulator, url: server.url };
}

/** Everything that a stream or a paged list gives. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
