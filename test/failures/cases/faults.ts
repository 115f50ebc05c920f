import type { Fault } from "../../../src/lab/provider/index.ts";

export const secondMs = 1_000;
/** Between two noes of a `reconcile`, of which the second counts; and how long is listened, after work that took long, whether another process has the run. */
export const lookAgainMs = 2_000;
export const listenMs = 50;
export const minuteMs = 60_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** The first requests are struck, the others are not. */
export function first(fault: Fault, count = 1): (call: number) => Fault | undefined {
  return (call) => (call <= count ? fault : undefined);
}

export function always(fault: Fault): () => Fault {
  return () => fault;
}

/** Every request of this long is struck. */
export function during(ms: number, fault: Fault): (call: number, passedMs: number) => Fault | undefined {
  return (_, passedMs) => (passedMs < ms ? fault : undefined);
}

export const verified = { end: "verified", deliveries: 1 } as const;
/** Retries in process: how long they may take in all when nothing is stated. */
export const soon = [0, 30 * secondMs] as const;
