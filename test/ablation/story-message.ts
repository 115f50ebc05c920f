import type { Receipt } from "../../src/lab/provider/index.ts";
import type { Delivery } from "./outside.ts";
import type { Fate } from "./side.ts";
import type { Family } from "./plan.ts";

export type SideName = "naive" | "longhaul";

/** What the thread of a story is given. Data only. */
export interface StoryRequest {
  readonly side: SideName;
  readonly seed: number;
  readonly hours: number;
  readonly only: readonly Family[];
  /** When a person looks after an agent that has had work for so long and accomplished nothing. */
  readonly operatorMs: number;
  /** For data directories. */
  readonly folder: string;
}

/** What became of a story; times are milliseconds since its beginning. */
export interface StoryEnd {
  readonly deliveries: readonly Delivery[];
  readonly receipts: readonly Receipt[];
  readonly startAtMs: number;
  readonly fates: readonly (readonly [string, Fate])[];
  /** When the side held a task for over. */
  readonly over: readonly (readonly [string, number])[];
  readonly deaths: readonly { readonly atMs: number; readonly death: string }[];
  /** What the operator did. */
  readonly interventions: readonly { readonly atMs: number; readonly what: string }[];
}

export type StoryMessage = { readonly kind: "done"; readonly end: StoryEnd } | { readonly kind: "failed"; readonly message: string };
