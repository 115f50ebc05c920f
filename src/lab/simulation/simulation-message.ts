import type { HealthVerdict } from "../../record/health.ts";
import type { LogRecord } from "../../record/log-record.ts";
import type { RecordCensus, RecordFilter } from "../../store/store.ts";

/** What the thread of a simulation is given. Data only: it crosses threads. */
export interface SimulationPlan {
  /** URLs of the modules. */
  readonly team: string;
  readonly world: string | null;
  readonly seed: string;
  readonly startAtMs: number;
  readonly horizonMs: number;
  readonly dataDirectory: string | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly keep: RecordFilter | null;
  /** Where the thread says how far it is: a count of its phases and the virtual time. */
  readonly progress: Float64Array<SharedArrayBuffer>;
}

/** What a simulation came to. */
export interface SimulationResult {
  /** A hash of every field of every record, in order: the same seed gives the same one. */
  readonly trace: string;
  readonly records: number;
  /** How many records of each event type and result: "task done", "trigger ran". */
  readonly counts: RecordCensus["counts"];
  /** The agents' condition at the end. */
  readonly health: readonly HealthVerdict[];
  /** The records that were asked for with `keep`. */
  readonly kept: readonly LogRecord[];
  /** What people were told, in order; the first 1,000. */
  readonly told: readonly string[];
  /** What was tried of the real world and refused, each once; the first 100. */
  readonly refused: readonly string[];
  /** Timers that fired: the moments at which virtual time could go on. */
  readonly timersFired: number;
}

/** What the thread says to whoever started it. */
export type SimulationMessage =
  | { readonly kind: "done"; readonly result: SimulationResult }
  | { readonly kind: "failed"; readonly code: string; readonly message: string; readonly stack: string | null }
  /** The answer to being asked what keeps it. */
  | { readonly kind: "awaiting"; readonly resources: readonly string[] };

/** How a thread says that it goes on with the next thing, whatever the virtual time is. */
export const progressPlaces = { phase: 0, nowMs: 1 } as const;
