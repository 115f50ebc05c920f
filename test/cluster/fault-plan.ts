import { integerBetween, type Random, seededRandom } from "../../src/base/random.ts";
import type { Cut } from "./fixture/cut-proxy.ts";

/** What happens to the cluster, and for how long. `at` is the index of a node or of a worker. */
export type Fault =
  | { readonly type: "node-killed"; readonly at: number; readonly forMs: number }
  | { readonly type: "worker-killed"; readonly at: number; readonly forMs: number }
  | { readonly type: "worker-terminated"; readonly at: number; readonly forMs: number }
  | { readonly type: "worker-frozen"; readonly at: number; readonly forMs: number }
  | { readonly type: "worker-cut-off"; readonly at: number; readonly how: Cut; readonly forMs: number }
  | { readonly type: "postgres-down"; readonly how: "fast" | "kill"; readonly forMs: number };

export interface FaultPlan {
  readonly seed: number;
  readonly tasks: number;
  readonly workers: number;
  /** One after the other, each after this long without any. */
  readonly faults: readonly { readonly afterMs: number; readonly fault: Fault }[];
}

const nodes = 3;
const workers = 3;
const tasksOfStory = 500;
const tasksOfShortStory = 150;

/** All that a cluster has to live through, in an order and with lengths that the seed chooses. The short one leaves out what is the same on another worker. */
export function planOf(seed: number, { isShort }: { readonly isShort: boolean }): FaultPlan {
  const random = seededRandom(`cluster ${seed}`);
  const pick = (count: number): number => integerBetween(random, 0, count - 1);
  const lasting = (minMs: number, maxMs: number): number => integerBetween(random, minMs, isShort ? Math.round(minMs + (maxMs - minMs) / 4) : maxMs);
  const every = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
  const killed = (at: number): Fault => ({ type: "worker-killed", at, forMs: lasting(500, 3_000) });
  const cut = (how: Cut): Fault => ({ type: "worker-cut-off", at: pick(workers), how, forMs: lasting(6_000, 20_000) });
  const postgres = (how: "fast" | "kill"): Fault => ({ type: "postgres-down", how, forMs: lasting(500, 4_000) });
  const faults: Fault[] = [
    ...every(nodes, (at): Fault => ({ type: "node-killed", at, forMs: lasting(2_000, 6_000) })),
    ...(isShort ? [killed(pick(workers))] : every(workers, killed)),
    ...(isShort ? [] : [{ type: "worker-terminated", at: pick(workers), forMs: lasting(500, 3_000) } as const]),
    { type: "worker-frozen", at: pick(workers), forMs: lasting(6_000, 20_000) },
    ...(isShort ? [cut(random.next() < 0.5 ? "reset" : "silent")] : [cut("reset"), cut("silent")]),
    ...(isShort ? [postgres(random.next() < 0.5 ? "fast" : "kill")] : [postgres("fast"), postgres("kill")]),
  ];
  return { seed, tasks: isShort ? tasksOfShortStory : tasksOfStory, workers, faults: shuffle(faults, random).map((fault) => ({ afterMs: lasting(1_000, 4_000), fault })) };
}

export function describeFault(fault: Fault): string {
  const { forMs } = fault;
  switch (fault.type) {
    case "node-killed":
      return `kill -9 of Restate node n${fault.at + 1}, away for ${forMs} ms`;
    case "worker-killed":
      return `kill -9 of worker w${fault.at + 1}, away for ${forMs} ms`;
    case "worker-terminated":
      return `SIGTERM to worker w${fault.at + 1}, away for ${forMs} ms`;
    case "worker-frozen":
      return `SIGSTOP of worker w${fault.at + 1}, SIGCONT after ${forMs} ms`;
    case "worker-cut-off":
      return `worker w${fault.at + 1} cut off from PostgreSQL (${fault.how}) for ${forMs} ms`;
    case "postgres-down":
      return `PostgreSQL ${fault.how === "fast" ? "stopped" : "killed"}, away for ${forMs} ms`;
  }
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  return items.map((item) => ({ item, place: random.next() })).toSorted((a, b) => a.place - b.place).map(({ item }) => item);
}
