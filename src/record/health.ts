import type { WaitingReason } from "./task.ts";

/** The condition of one agent, with what is wrong named. The last seven need a human or a control. */
export type HealthState =
  | { readonly state: "idle" }
  | { readonly state: "working" }
  | { readonly state: "waiting"; readonly reason: WaitingReason }
  | { readonly state: "paused" }
  | { readonly state: "stalled" }
  | { readonly state: "hollow" }
  | { readonly state: "missed" }
  | { readonly state: "stuck-waiting"; readonly reason: WaitingReason }
  | { readonly state: "down" };

/** What the judge says of one agent. */
export interface HealthVerdict {
  readonly agent: string;
  readonly health: HealthState;
  /** True when somebody has to be told. */
  readonly bad: boolean;
  /** What stood in, in a task that goes on or in the last one that was done; null when nothing did. An agent may work well and be degraded. */
  readonly degraded: string | null;
  /** One sentence with the numbers that led to it: "5 runs succeeded since the last progress 32 s ago; progress is expected within 10 s." */
  readonly evidence: string;
  readonly atMs: number;
  /** The instant at which the verdict can change with no new record; null when only a record can change it. */
  readonly reviewAtMs: number | null;
}

/** "waiting(budget)", "hollow". */
export function describeHealth(health: HealthState): string {
  return "reason" in health ? `${health.state}(${health.reason})` : health.state;
}

/** "working, degraded", "hollow". */
export function describeVerdict({ health, degraded }: Pick<HealthVerdict, "health" | "degraded">): string {
  return `${describeHealth(health)}${degraded === null ? "" : ", degraded"}`;
}
