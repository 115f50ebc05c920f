import { sleep } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { Limiter } from "./limiter.ts";

/** How long a client waits before it tries again, in milliseconds. `lastMs` is what it waited before, 0 at first. */
export type Backoff = (failures: number, lastMs: number, random: Random) => number;

export interface Contention {
  readonly completedMs: number;
  /** Writes that reached the server. */
  readonly calls: number;
}

interface Happening {
  readonly atMs: number;
  readonly act: () => void;
}

/**
 * Clients that all change one row: each reads its version, writes with it, and waits and begins anew when another one was faster. Each way takes N(10, 2) ms.
 * The model of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, and its backoff_simulator.py.
 */
export function contend(clients: number, backoff: Backoff, random: Random): Contention {
  const due: Happening[] = [];
  let nowMs = 0;
  let version = 0;
  let calls = 0;
  const later = (delayMs: number, act: () => void): void => {
    const happening = { atMs: nowMs + delayMs, act };
    let low = 0;
    let high = due.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((due[middle]?.atMs ?? 0) > happening.atMs) low = middle + 1;
      else high = middle;
    }
    due.splice(low, 0, happening);
  };
  const network = (act: () => void): void => later(Math.max(0, normal(random, 10, 2)), act);
  const read = (failures: number, lastMs: number): void => {
    network(() => {
      const seen = version;
      network(() => network(() => {
        calls++;
        const succeeds = seen === version;
        if (succeeds) version++;
        network(() => {
          if (succeeds) return;
          const waitMs = backoff(failures + 1, lastMs, random);
          later(waitMs, () => read(failures + 1, waitMs));
        });
      }));
    });
  };
  for (let client = 0; client < clients; client++) read(0, 0);
  for (let next = due.pop(); next !== undefined; next = due.pop()) {
    nowMs = next.atMs;
    next.act();
  }
  return { completedMs: nowMs, calls };
}

/** The same clients, each of which waits for its turn at a limiter that lets one at a time through. */
export async function contendInTurn(clients: number, random: Random): Promise<Contention> {
  const clock = new VirtualClock();
  const startMs = clock.now();
  const limiter = new Limiter({ clock });
  const { signal } = new AbortController();
  let version = 0;
  let calls = 0;
  let left = clients;
  const way = (): Promise<void> => sleep(clock, Math.max(0, normal(random, 10, 2)));
  const client = async (caller: string): Promise<void> => {
    for (let succeeds = false; !succeeds; ) {
      const pass = await limiter.enter({ account: "row", provider: "", model: null, concurrencyMax: 1, caller, task: "t", agent: caller, priority: 0, inputTokens: 0, outputTokens: 0, signal });
      await way();
      const seen = version;
      await way();
      await way();
      calls++;
      succeeds = seen === version;
      if (succeeds) version++;
      await way();
      pass.leave({ kind: succeeds ? "rejected" : "unknown" });
    }
    left--;
  };
  const all = Promise.all(Array.from({ length: clients }, (_, index) => client(`client-${index}`)));
  while (left > 0) await clock.advanceToNext(drainMicrotasks);
  await all;
  return { completedMs: clock.now() - startMs, calls };
}

/** Enough for what hangs together between two timers here. */
async function drainMicrotasks(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve();
}

/** Box and Muller. */
function normal(random: Random, mean: number, deviation: number): number {
  return mean + deviation * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

export interface Estimate {
  readonly mean: number;
  readonly standardError: number;
}

export function estimate(values: readonly number[]): Estimate {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, standardError: Math.sqrt(variance / values.length) };
}
